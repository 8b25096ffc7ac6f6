"""What the integration tests share: deployments of their own on the session's broker."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.deployment import Deployment


@pytest.fixture
def deploy(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Callable[..., Deployment]]:
    """Makes a deployment with its topics; its workers are ended with the test."""
    made: list[Deployment] = []

    def make(*, partitions: int = 2, topics: bool = True, **more: str) -> Deployment:
        number = len(made)
        folder = tmp_path / f"deployment-{number}"
        folder.mkdir()
        deployment = Deployment(broker, f"{topic_prefix}{number}-", folder, partitions, more)
        made.append(deployment)
        if topics:
            deployment.create_topics()
        return deployment

    yield make
    for deployment in made:
        deployment.stop_workers()
        deployment.delete_topics()

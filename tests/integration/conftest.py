"""What the integration tests share: deployments of their own on the session's broker."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.broker.embedded import EmbeddedBroker
from tests.integration.deployment import Deployment
from tests.integration.people import People
from tests.integration.secured import SecuredBroker


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


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """A broker with TLS, logins and ACLs, running; beside the session's own, which asks nobody."""
    broker = SecuredBroker(tmp_path_factory.mktemp("secured") / "broker")
    with broker.kafka:
        yield broker


@pytest.fixture
def people(secured: SecuredBroker, topic_prefix: str, tmp_path: Path) -> Iterator[People]:
    """The users of a deployment on it; nobody has any right yet."""
    folder = tmp_path / "people"
    folder.mkdir()
    everyone = Deployment(secured.kafka.address(), topic_prefix, folder)
    made = People(secured, everyone)
    yield made
    made.stop_workers()
    everyone.delete_topics()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A broker of the file's own, to be hurt, which lets sessions be shorter than others do."""
    folder = tmp_path_factory.mktemp("own")
    with EmbeddedBroker(folder, properties={"group.min.session.timeout.ms": "500"}) as broker:
        yield broker


@pytest.fixture
def mended(own: EmbeddedBroker) -> Iterator[None]:
    """However the test has hurt that broker, it runs again for the next one."""
    yield
    own.resume()
    own.start()

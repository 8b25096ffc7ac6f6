"""What a running worker says of itself over HTTP."""

import json
import urllib.error
import urllib.request
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from app.wire.instants import parse_instant


def health(port: int) -> dict[str, Any]:
    """The report of `/health`, whatever its status; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as unavailable:
        found = json.load(unavailable)
    except OSError:
        found = {}
    return found


def caught_up_ms(report: dict[str, Any]) -> int | None:
    """By a report of `/health`, the wall time by which nothing was left in any partition; None while something may be."""
    reached = [partition["caught_up_at"] for partition in report.get("partitions", ())]
    if report.get("status") != "ready" or not reached or None in reached:
        return None
    return min(parse_instant(each, "caught_up_at") for each in reached)


def page(port: int, name: str) -> str:
    """The text of a page that answers with 200; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=5) as answer:
            text: str = answer.read().decode()
    except OSError:
        text = ""
    return text


def metric(port: int, name: str, **labels: str) -> float:
    """A metric's value, summed over the labels that are not given; 0 while nobody answers or it is not there."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(page(port, "metrics"))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )

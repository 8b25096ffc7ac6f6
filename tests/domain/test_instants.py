import pytest

from app.domain.instants import iso_instant, planned_instant


@pytest.mark.parametrize(
    ("instant_ms", "text"),
    [
        (1767607200000, "2026-01-05T10:00:00.000Z"),
        (1767607200007, "2026-01-05T10:00:00.007Z"),
        (946684800000, "2000-01-01T00:00:00.000Z"),
        (1709164800999, "2024-02-29T00:00:00.999Z"),
    ],
)
def test_instants_are_written_in_utc_with_milliseconds(instant_ms: int, text: str):
    assert iso_instant(instant_ms) == planned_instant(instant_ms) == text


def test_what_is_planned_by_the_last_records_there_can_be_may_lie_behind_all_that_is_written():
    last_ms = 253_402_300_799_999
    assert planned_instant(last_ms) == "9999-12-31T23:59:59.999Z"
    assert planned_instant(last_ms + 1) == "an instant after 9999"

"""Kafka's record batches (format 2, uncompressed), written and read as a whole."""

from collections.abc import Callable

from app.runtime.hosting.record_batch import ReadRow, Row

def fill(rows: list[Row], start: int, most_bytes: int) -> tuple[bytearray, int]:
    """Records from `start` on, as many as go into a batch of this size, behind room for its header (61 bytes); and how many.

    The first goes in however large it is. They have no headers, and all the time of the first. Raises TypeError for keys and values
    that are neither bytes nor None.
    """

def read(
    data: bytes | memoryview, position: int, checksum_of: Callable[[memoryview], int]
) -> tuple[list[ReadRow], int, int] | None:
    """The records of batches that lie one after the other, from the offset `position` on; where to go on; size of keys and values.

    Control batches hold no records; what is cut short at the end is not read. None for what it does not understand: another format,
    compressed, a wrong checksum (CRC-32C), damaged. Which transactions were aborted it does not know.
    """

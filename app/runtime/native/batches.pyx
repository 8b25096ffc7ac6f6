# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""See batches.pyi."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from app.runtime.native.avro cimport put_long, read_long
from app.runtime.native.numbers cimport big

cdef enum:
    HEADER_BYTES = 61
    LONGEST_VARINT = 5
    LENGTH_AT = 8
    AFTER_LENGTH = 12
    MAGIC_AT = 16
    ATTRIBUTES_AT = 21
    DELTA_AT = 23
    FIRST_TIME_AT = 27
    LAST_TIME_AT = 35
    COUNT_AT = 57
    COMPRESSION = 0x07
    APPEND_TIME = 0x08
    CONTROL = 0x20


cdef inline Py_ssize_t long_size(int64_t value) noexcept nogil:
    """Bytes of a varint, which Kafka's records have in the same form as Avro."""
    cdef uint64_t left = (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)
    cdef Py_ssize_t size = 1
    while left > 0x7F:
        left >>= 7
        size += 1
    return size


cdef inline uint8_t *put_bytes(uint8_t *at, bytes value):
    """A value with its size before it, or null."""
    if value is None:
        return put_long(at, -1)
    at = put_long(at, PyBytes_GET_SIZE(value))
    memcpy(at, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    return at + PyBytes_GET_SIZE(value)


cdef inline Py_ssize_t bytes_size(bytes value):
    return 1 if value is None else long_size(PyBytes_GET_SIZE(value)) + PyBytes_GET_SIZE(value)


def fill(list rows, Py_ssize_t start, Py_ssize_t most_bytes):
    cdef Py_ssize_t count = 0, at, size, total = HEADER_BYTES
    cdef bytes key, value
    cdef bytearray made
    cdef uint8_t *to
    for at in range(start, len(rows)):
        key, value = rows[at]
        size = 3 + long_size(count) + bytes_size(key) + bytes_size(value)
        size += long_size(size)
        if count and total + size > most_bytes:
            break
        total += size
        count += 1
    made = PyByteArray_FromStringAndSize(NULL, total)
    to = <uint8_t *>PyByteArray_AS_STRING(made) + HEADER_BYTES
    for at in range(count):
        key, value = rows[start + at]
        to = put_long(to, 3 + long_size(at) + bytes_size(key) + bytes_size(value))
        # Attributes, and the time after the first record's: all have the same.
        to[0] = to[1] = 0
        to = put_long(to + 2, at)
        to = put_bytes(put_bytes(to, key), value)
        # No headers.
        to[0] = 0
        to += 1
    return made, count


cdef inline const uint8_t *read_size(const uint8_t *at, const uint8_t *end, int64_t *size) noexcept nogil:
    """A size that fits in, or -1."""
    at = read_long(at, end, size)
    if at == NULL or size[0] < -1 or size[0] > end - at:
        return NULL
    return at


def read(data, int64_t position, checksum_of):
    cdef Py_buffer view
    cdef list rows = []
    cdef Py_ssize_t left, size_bytes = 0
    cdef const uint8_t *at
    cdef int64_t length, base, attributes
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        at = <const uint8_t *>view.buf
        left = view.len
        while left >= AFTER_LENGTH:
            length = AFTER_LENGTH + big(at + LENGTH_AT, 4)
            # The last batch may be cut short.
            if length > left:
                break
            if length < HEADER_BYTES or at[MAGIC_AT] != 2:
                return None
            attributes = big(at + ATTRIBUTES_AT, 2)
            if attributes & COMPRESSION:
                return None
            base = at - <const uint8_t *>view.buf
            if checksum_of(memoryview(data)[base + ATTRIBUTES_AT : base + length]) != big(at + ATTRIBUTES_AT - 4, 4):
                return None
            if not attributes & CONTROL:
                size_bytes = _read_batch(at, at + length, attributes, position, rows, size_bytes)
                if size_bytes < 0:
                    return None
            position = big(at, 8) + big(at + DELTA_AT, 4) + 1
            at += length
            left -= length
        return rows, position, size_bytes
    finally:
        PyBuffer_Release(&view)


cdef Py_ssize_t _read_batch(
    const uint8_t *batch, const uint8_t *end, int64_t attributes, int64_t position, list rows, Py_ssize_t size_bytes
) except -2:
    """Add the records of a batch; returns the size of keys and values so far, -1 for a batch that is not understood."""
    cdef const uint8_t *at = batch + HEADER_BYTES
    cdef const uint8_t *after
    cdef int64_t base = big(batch, 8)
    cdef int64_t first_ms = big(batch + FIRST_TIME_AT, 8)
    cdef int64_t last_ms = big(batch + LAST_TIME_AT, 8)
    cdef int64_t left = big(batch + COUNT_AT, 4)
    cdef int64_t length, delta_ms, delta, key_size, value_size
    cdef object key, value
    while left > 0:
        at = read_size(at, end, &length)
        if at == NULL or length < 1:
            return -1
        after = at + length
        at = read_long(at + 1, after, &delta_ms)
        if at != NULL:
            at = read_long(at, after, &delta)
        if at != NULL:
            at = read_size(at, after, &key_size)
        if at == NULL:
            return -1
        key = None if key_size < 0 else PyBytes_FromStringAndSize(<const char *>at, key_size)
        at = read_size(at + (key_size if key_size > 0 else 0), after, &value_size)
        if at == NULL:
            return -1
        if base + delta >= position:
            value = None if value_size < 0 else PyBytes_FromStringAndSize(<const char *>at, value_size)
            rows.append((base + delta, last_ms if attributes & APPEND_TIME else first_ms + delta_ms, key, value))
            size_bytes += (key_size if key_size > 0 else 0) + (value_size if value_size > 0 else 0)
        # Headers say nothing to us.
        at = after
        left -= 1
    return size_bytes if at == end else -1

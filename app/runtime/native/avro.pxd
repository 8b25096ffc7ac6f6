"""Avro, as far as the commonest records are written in it. Reading gives NULL for what is not understood or goes beyond the end."""

from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef inline uint8_t *put_long(uint8_t *at, int64_t value) noexcept nogil:
    """An Avro long; returns the place after it."""
    cdef uint64_t left = (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)
    while left > 0x7F:
        at[0] = <uint8_t>(left & 0x7F | 0x80)
        left >>= 7
        at += 1
    at[0] = <uint8_t>left
    return at + 1


cdef inline const uint8_t *read_long(const uint8_t *at, const uint8_t *end, int64_t *value) noexcept nogil:
    """An Avro long of up to nine bytes; returns the place after it, NULL where there is none."""
    cdef uint64_t number = 0
    cdef int shift = 0
    while at < end and shift < 63:
        number |= <uint64_t>(at[0] & 0x7F) << shift
        if not at[0] & 0x80:
            value[0] = <int64_t>(number >> 1) ^ -<int64_t>(number & 1)
            return at + 1
        at += 1
        shift += 7
    return NULL


cdef inline const uint8_t *read_text(
    const uint8_t *at, const uint8_t *end, const uint8_t **text, Py_ssize_t *size
) noexcept nogil:
    """An Avro string of 1 to 63 bytes."""
    cdef int64_t count
    if at >= end or at[0] & 0x81 or at[0] == 0:
        return NULL
    count = at[0] >> 1
    if end - at <= count:
        return NULL
    text[0] = at + 1
    size[0] = count
    return at + 1 + count


cdef inline bint is_ascii(const uint8_t *text, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t place
    for place in range(size):
        if text[place] & 0x80:
            return False
    return True


cdef inline const uint8_t *after_text(const uint8_t *at, const uint8_t *end) noexcept nogil:
    """The place after an Avro string of ASCII: whether other bytes are UTF-8 is for others to say."""
    cdef int64_t size
    at = read_long(at, end, &size)
    if at == NULL or size < 0 or end - at < size:
        return NULL
    return at + size if is_ascii(at, size) else NULL


cdef inline const uint8_t *after_attributes(const uint8_t *at, const uint8_t *end) noexcept nogil:
    """The place after the attributes of an activity: a map of null, string, long, double and boolean."""
    cdef int64_t count, branch
    while True:
        at = read_long(at, end, &count)
        if at == NULL or count < 0:
            return NULL
        if count == 0:
            return at
        while count:
            at = after_text(at, end)
            if at == NULL:
                return NULL
            at = read_long(at, end, &branch)
            if at == NULL or not 0 <= branch <= 4:
                return NULL
            if branch == 1:
                at = after_text(at, end)
            elif branch == 2:
                at = read_long(at, end, &branch)
            elif branch == 3:
                at = at + 8 if end - at >= 8 else NULL
            elif branch == 4:
                at = at + 1 if at < end and at[0] <= 1 else NULL
            if at == NULL:
                return NULL
            count -= 1

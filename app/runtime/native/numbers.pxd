"""Numbers in bytes, the highest first."""

from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef inline int64_t big(const uint8_t *at, int size) noexcept nogil:
    """A number of up to eight bytes; of fewer it is never negative."""
    cdef uint64_t number = 0
    cdef int i
    for i in range(size):
        number = number << 8 | at[i]
    return <int64_t>number


cdef inline int64_t get_be(const uint8_t *at) noexcept nogil:
    """A number of eight bytes."""
    return big(at, 8)


cdef inline void put_be(uint8_t *at, int64_t value) noexcept nogil:
    cdef uint64_t number = <uint64_t>value
    cdef int i
    for i in range(7, -1, -1):
        at[i] = number & 0xFF
        number >>= 8

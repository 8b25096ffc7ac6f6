"""MessagePack, as far as states are written in it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memcmp

from app.runtime.native.numbers cimport big


cdef struct Head:
    # What stands at a place: its kind by the first byte, how many bytes or items it has, and where these begin.
    uint8_t kind
    Py_ssize_t count
    const uint8_t *items

cdef enum:
    PLAIN = 0
    TEXT = 1
    ARRAY = 2
    MAP = 3


cdef inline bint look(const uint8_t *at, const uint8_t *end, Head *head) noexcept nogil:
    """What begins at a place; False for what no state has."""
    cdef uint8_t first
    cdef int wide = 0
    if at >= end:
        return False
    first = at[0]
    head.kind = PLAIN
    head.count = 0
    if first < 0x80 or first >= 0xE0 or first == 0xC0 or first == 0xC2 or first == 0xC3:
        pass
    elif first < 0x90:
        head.kind, head.count = MAP, first & 0x0F
    elif first < 0xA0:
        head.kind, head.count = ARRAY, first & 0x0F
    elif first < 0xC0:
        head.kind, head.count = TEXT, first & 0x1F
    elif first in (0xCA, 0xCB):
        head.count = 4 if first == 0xCA else 8
    elif first in (0xCC, 0xCD, 0xCE, 0xCF):
        head.count = 1 << (first - 0xCC)
    elif first in (0xD0, 0xD1, 0xD2, 0xD3):
        head.count = 1 << (first - 0xD0)
    elif first in (0xC4, 0xC5, 0xC6):
        head.kind, wide = TEXT, 1 << (first - 0xC4)
    elif first in (0xD9, 0xDA, 0xDB):
        head.kind, wide = TEXT, 1 << (first - 0xD9)
    elif first in (0xDC, 0xDD):
        head.kind, wide = ARRAY, 2 << (first - 0xDC)
    elif first in (0xDE, 0xDF):
        head.kind, wide = MAP, 2 << (first - 0xDE)
    else:
        return False
    if end - at < 1 + wide:
        return False
    if wide:
        head.count = big(at + 1, wide)
    head.items = at + 1 + wide
    if head.kind in (PLAIN, TEXT) and end - head.items < head.count:
        return False
    return True


cdef inline const uint8_t *after(const uint8_t *at, const uint8_t *end) noexcept nogil:
    """The place after the value that begins here, NULL where it is not understood."""
    cdef Head head
    cdef Py_ssize_t left = 1
    # Not by calling itself: a value may be nested deeper than a stack is.
    while left > 0:
        if not look(at, end, &head):
            return NULL
        at = head.items
        left -= 1
        if head.kind == ARRAY:
            left += head.count
        elif head.kind == MAP:
            left += 2 * head.count
        else:
            at += head.count
    return at


cdef inline bint is_instant(const uint8_t *at, const uint8_t *end) noexcept nogil:
    """Whether a number of eight bytes begins here, none so large that adding a span to it would not fit."""
    return end - at >= 9 and at[0] == 0xCF and at[1] < 0x40


cdef inline bint is_text(const uint8_t *at, const uint8_t *end, bytes wanted) noexcept:
    cdef Head head
    return (
        look(at, end, &head)
        and head.kind == TEXT
        and head.count == PyBytes_GET_SIZE(wanted)
        and memcmp(head.items, PyBytes_AS_STRING(wanted), head.count) == 0
    )

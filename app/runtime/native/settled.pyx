# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""See settled.pyi."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy

from app.runtime.native.msgpack cimport ARRAY, MAP, Head, after, is_instant, is_text, look

NEVER_MS = 0x7FFFFFFFFFFFFFFF

cdef enum:
    REMEMBERED_BYTES = 512


cdef inline bint _holds(const uint8_t *ids, Py_ssize_t size, Py_ssize_t start, const uint8_t *wanted) noexcept nogil:
    """Whether the id is among ids of 8 bytes each, from `start` on or after."""
    cdef Py_ssize_t place = (start + ID_BYTES - 1) // ID_BYTES * ID_BYTES if start > 0 else 0
    while place + ID_BYTES <= size:
        if memcmp(ids + place, wanted, ID_BYTES) == 0:
            return True
        place += ID_BYTES
    return False


@cython.final
cdef class Settling:
    """Where in a member's state things lie (see `member_repeats.Layout`), and which re-engagers do what their moves say, as bits."""


@cython.no_gc
@cython.final
cdef class Settled:
    """See settled.pyi."""

    def __init__(self):
        raise TypeError("Repeats.settle makes these")

    def __dealloc__(self):
        PyMem_Free(self.body)

    def part(self) -> bytes:
        return self._part(0, NULL, 0)

    cdef bytes _part(self, Py_ssize_t before, const uint8_t *seen, Py_ssize_t seen_size):
        """Part 0, after room for a head of `before` bytes and `seen`."""
        cdef bytes made = PyBytes_FromStringAndSize(NULL, before + seen_size + self.size + 2 + self.ids_size)
        cdef uint8_t *at = <uint8_t *>PyBytes_AS_STRING(made) + before
        if seen_size:
            memcpy(at, seen, seen_size)
            at += seen_size
        if self.body == NULL:
            raise ValueError("not made by Repeats.settle")
        memcpy(at, self.body, self.ids_at)
        at += self.ids_at
        at[0] = 0xC4
        at[1] = <uint8_t>self.ids_size
        memcpy(at + 2, self.ids, self.ids_size)
        at += 2 + self.ids_size
        memcpy(at, self.body + self.ids_at, self.size - self.ids_at)
        return made

    cdef bint holds_id(self, const uint8_t *digest) noexcept:
        """Whether the id is among the last 64 applied, as far as they are at hand."""
        cdef Py_ssize_t size
        if _holds(self.ids, self.ids_size, 0, digest):
            return True
        if not self.has_older or self.older is None:
            return False
        size = PyBytes_GET_SIZE(self.older)
        return _holds(
            <const uint8_t *>PyBytes_AS_STRING(self.older), size, size + self.ids_size - REMEMBERED_BYTES, digest
        )

    cdef bytes spilt(self, const uint8_t *digest):
        """Put the id behind the newest; if that makes them too many, returns the older ids with all of them.

        It is among them only once `remember` is called, with what this returned.
        """
        cdef bytes older
        memcpy(self.ids + self.ids_size, digest, ID_BYTES)
        if self.ids_size + ID_BYTES < TAIL_BYTES:
            return None
        older = PyBytes_FromStringAndSize(<char *>self.ids, TAIL_BYTES)
        return older if self.older is None else (self.older + older)[-REMEMBERED_BYTES:]

    cdef void remember(self, bytes older) noexcept:
        """The id is applied."""
        self.ids_size += ID_BYTES
        if older is not None:
            self.older = older
            self.older_changed = True
            self.has_older = True
            self.body[self.older_at] = 0xC3
            self.ids_size = 0

    cdef bint _place(self, const uint8_t *part, Py_ssize_t size, Settling how):
        """Find everything in a part, and take it over; False when it is not all there in the form it has to have."""
        cdef const uint8_t *end = part + size
        cdef const uint8_t *at
        cdef const uint8_t *ids = NULL
        cdef const uint8_t *ids_end = NULL
        cdef Py_ssize_t shift = 0
        cdef Head head
        cdef Py_ssize_t number
        for number in range(MOST_TRACKS):
            self.tracks[number].timer = -1
        if size < 2 or part[0] != 1 or not look(part + 1, end, &head) or head.kind != ARRAY:
            return False
        # With a field missing, its place would be that of the version.
        if head.count < how.fields:
            return False
        at = head.items
        for number in range(head.count):
            if at == end:
                return False
            if number == how.now:
                if not is_instant(at, end):
                    return False
                self.now_at = at + 1 - part
            elif number == how.timers:
                if not self._place_timers(at, end, part, how):
                    return False
            elif number == how.recent:
                if end - at < 2 or at[0] != 0xC4 or at[1] >= TAIL_BYTES or at[1] % ID_BYTES:
                    return False
                ids, ids_end = at, at + 2 + at[1]
            elif number == how.older_ids:
                if at[0] != 0xC2 and at[0] != 0xC3:
                    return False
                self.older_at = at - part
                self.has_older = at[0] == 0xC3
            elif number == how.snapshot:
                self.snapshot_at = at + 1 - part if is_instant(at, end) else 0
            elif number == how.last_in_app:
                self.in_app_at = at + 1 - part if is_instant(at, end) else 0
            elif number == how.states:
                if not self._place_states(at, end, part, how):
                    return False
            at = after(at, end)
            if at == NULL:
                return False
        if ids == NULL or at != end:
            return False
        # The ids lie apart: everything behind them moves up by their length.
        shift = ids_end - ids
        self.ids_at = ids - part
        self.ids_size = <int>(shift - 2)
        memcpy(self.ids, ids + 2, self.ids_size)
        self._move_up(&self.now_at, shift)
        self._move_up(&self.older_at, shift)
        self._move_up(&self.snapshot_at, shift)
        self._move_up(&self.in_app_at, shift)
        for number in range(self.timers):
            self._move_up(&self.due_at[number], shift)
        for number in range(how.count):
            self._move_up(&self.tracks[number].last_at, shift)
        self.size = size - shift
        self.body = <uint8_t *>PyMem_Malloc(self.size)
        if self.body == NULL:
            raise MemoryError
        memcpy(self.body, part, self.ids_at)
        memcpy(self.body + self.ids_at, ids_end, end - ids_end)
        return True

    cdef void _move_up(self, Py_ssize_t *place, Py_ssize_t by) noexcept:
        if place[0] > self.ids_at:
            place[0] -= by

    cdef bint _place_timers(self, const uint8_t *at, const uint8_t *end, const uint8_t *part, Settling how):
        cdef Head head, timer
        cdef const uint8_t *item
        cdef Py_ssize_t number
        cdef int track
        if not look(at, end, &head) or head.kind != ARRAY or not 0 < head.count <= MOST_TIMERS:
            return False
        at = head.items
        self.timers = <int>head.count
        for number in range(head.count):
            if not look(at, end, &timer) or timer.kind != ARRAY or timer.count != 4:
                return False
            at = after(at, end)
            if at == NULL or not is_instant(timer.items, end):
                return False
            self.due_at[number] = timer.items + 1 - part
            item = timer.items + 9
            if not is_text(item, end, how.timer):
                continue
            # Of four values that are all there: its name, whose it is, and what it is for, which is nothing.
            item = after(item, end)
            for track in range(how.count):
                if is_text(item, end, <bytes>how.names[track]) and after(item, end)[0] == 0xA0:
                    self.tracks[track].timer = <int>number
        return True

    cdef bint _place_states(self, const uint8_t *at, const uint8_t *end, const uint8_t *part, Settling how):
        cdef Head head, state
        cdef const uint8_t *item
        cdef const uint8_t *following
        cdef Py_ssize_t number, field
        cdef int track
        if not look(at, end, &head) or head.kind != MAP:
            return False
        at = head.items
        for number in range(head.count):
            item = after(at, end)
            if item == NULL:
                return False
            following = after(item, end)
            if following == NULL:
                return False
            for track in range(how.count):
                if how.moved >> track & 1 and is_text(at, end, <bytes>how.names[track]):
                    if not look(item, end, &state) or state.kind != ARRAY or state.count <= how.last:
                        return False
                    item = state.items
                    for field in range(how.last):
                        item = after(item, end)
                    if is_instant(item, end):
                        self.tracks[track].last_at = item + 1 - part
                    break
            at = following
        return True


cdef Settling make_settling(layout):
    cdef Settling how = Settling()
    how.now, how.timers, how.recent, how.older_ids = layout.now, layout.timers, layout.recent, layout.older_ids
    how.snapshot, how.last_in_app, how.states = layout.snapshot, layout.last_in_app, layout.states
    how.last, how.timer, how.names = layout.last, layout.timer, tuple(layout.playbooks)
    if how.timer is None or not all([type(name) is bytes for name in how.names]):
        raise TypeError("names are bytes")
    how.fields = 1 + max(
        how.now, how.timers, how.recent, how.older_ids, how.snapshot, how.last_in_app, how.states
    )
    how.count = len(how.names)
    if how.count > MOST_TRACKS:
        raise ValueError("too many re-engagers")
    return how


cdef bint _is_rest(bytes rest):
    """Whether it is what `pages.PageEncoder` keeps of a page: a size, so many bytes, and others."""
    cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(rest)
    return PyBytes_GET_SIZE(rest) > at[0]


cdef Settled settle(str key, const uint8_t *part, Py_ssize_t size, Settling how, page_rest, older):
    """The member of this part 0, or None; see settled.pyi."""
    cdef Settled settled = Settled.__new__(Settled)
    if page_rest is not None and not _is_rest(page_rest):
        return None
    settled.key = key
    settled.indexed_due_ms = NEVER_MS
    settled.page_rest = page_rest
    settled.older = older
    return settled if settled._place(part, size, how) else None

"""Members in their stored form; see settled.pyi."""

from libc.stdint cimport int64_t, uint8_t

cdef enum:
    MOST_TRACKS = 4
    MOST_TIMERS = 8
    ID_BYTES = 8
    TAIL_BYTES = 64


cdef struct Track:
    # Where in the body a re-engager's last activity lies, as 8 bytes; 0: it does not do what its move says. Which timer is its own.
    Py_ssize_t last_at
    int timer


cdef class Settling:
    cdef int now, timers, recent, older_ids, snapshot, last_in_app, states, last, fields
    cdef int count, moved
    cdef tuple names
    cdef bytes timer


cdef class Settled:
    cdef readonly str key
    cdef public int64_t indexed_due_ms
    cdef public dict applied
    cdef readonly bytes page_rest
    cdef readonly bytes older
    cdef readonly bint older_changed
    cdef readonly bint has_repeated
    cdef bint has_older
    cdef uint8_t *body
    cdef Py_ssize_t size
    cdef Py_ssize_t now_at
    cdef Py_ssize_t ids_at
    cdef Py_ssize_t older_at
    cdef Py_ssize_t snapshot_at
    cdef Py_ssize_t in_app_at
    cdef int timers
    cdef Py_ssize_t[MOST_TIMERS] due_at
    cdef Track[MOST_TRACKS] tracks
    cdef int ids_size
    cdef uint8_t[TAIL_BYTES] ids

    cdef bint holds_id(self, const uint8_t *digest) noexcept
    cdef bytes spilt(self, const uint8_t *digest)
    cdef void remember(self, bytes older) noexcept
    cdef bytes _part(self, Py_ssize_t before, const uint8_t *seen, Py_ssize_t seen_size)
    cdef bint _place(self, const uint8_t *part, Py_ssize_t size, Settling how)
    cdef void _move_up(self, Py_ssize_t *place, Py_ssize_t by) noexcept
    cdef bint _place_timers(self, const uint8_t *at, const uint8_t *end, const uint8_t *part, Settling how)
    cdef bint _place_states(self, const uint8_t *at, const uint8_t *end, const uint8_t *part, Settling how)


cdef Settled settle(str key, const uint8_t *part, Py_ssize_t size, Settling how, object page_rest, object older)
cdef Settling make_settling(object layout)

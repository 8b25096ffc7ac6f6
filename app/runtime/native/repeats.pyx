# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""See repeats.pyi, and `member_repeats.py` for where it is used.

A record is either applied here to exactly the effect the rules have, or left to them untouched: whatever is not understood, is
out of the ordinary, or might do more than move instants, is left. Nothing is changed before all of that is known.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from app.runtime.native.avro cimport after_attributes, is_ascii, put_long, read_long, read_text
from app.runtime.native.blake2b cimport blake2b_8
from app.runtime.native.numbers cimport get_be, put_be
from app.runtime.native.settled cimport (
    ID_BYTES, MOST_TIMERS, MOST_TRACKS, Settled, Settling, Track, make_settling, settle
)

cdef enum:
    MOST_TYPES = 64
    HEADER_BYTES = 10
    MOST_CHANNELS = 64
    MOST_SEEN_BYTES = 0xFFFF


def hash_id(bytes text not None):
    cdef uint8_t[ID_BYTES] digest
    if len(text) > 128:
        raise ValueError("up to 128 bytes")
    blake2b_8(<const uint8_t *>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), digest)
    return PyBytes_FromStringAndSize(<char *>digest, ID_BYTES)


# No instant of a settled member is as large (`msgpack.is_instant`), so that their sum fits.
cdef int64_t MOST_MS = 1 << 62


cdef struct Kind:
    # One type of activity that may repeat, and what each re-engager does about it: its track, channels as bits, and span.
    const uint8_t *text
    Py_ssize_t size
    int moves
    int[MOST_TRACKS] track
    uint64_t[MOST_TRACKS] channels
    int64_t[MOST_TRACKS] after_ms


cdef struct Read:
    # An activity as read, and where it lies in its log.
    const uint8_t *event
    Py_ssize_t event_size
    int64_t at_ms, appended_ms, offset
    const Kind *kind
    int channel


cdef struct Plan:
    # What an activity moves: the partition's time, the member's ids, timers and page, and each re-engager's last activity.
    int64_t time_ms
    uint8_t[ID_BYTES] digest
    int64_t[MOST_TIMERS] dues
    int64_t[MOST_TRACKS] last_ms
    bint moves_page


@cython.final
cdef class Repeats:
    """See repeats.pyi."""

    cdef readonly int64_t time_ms
    cdef readonly int64_t next_offset
    cdef readonly bint history_seen
    cdef Settling how
    cdef bytes header, page_header, head_key, ids_key
    cdef object topic
    cdef list texts
    cdef Kind[MOST_TYPES] kinds
    cdef int kind_count, channel_count, app
    cdef bint once
    cdef int64_t grace_ms, rest_ms, oldest_ms, latest_ms, future_ms, history_lag_ms

    def __cinit__(self, layout, moves, wire, times, bint once):
        cdef int number, each
        cdef bytes text
        self.how = make_settling(layout)
        if len(moves) > MOST_TYPES:
            raise ValueError("too many types of activity")
        self.topic, self.header, self.page_header = wire.topic, wire.header, wire.page_header
        self.channel_count, self.app = wire.channels, wire.app
        self.head_key, self.ids_key = wire.part_keys
        if len(self.header) != HEADER_BYTES or not self.page_header:
            raise ValueError("records begin otherwise")
        if not 0 < self.channel_count <= MOST_CHANNELS:
            raise ValueError("too many channels")
        self.grace_ms, self.rest_ms = times.grace_ms, times.rest_ms
        self.oldest_ms, self.latest_ms, self.future_ms = times.oldest_ms, times.latest_ms, times.future_ms
        self.history_lag_ms = times.history_lag_ms
        self.once = once
        self.texts = []
        self.kind_count = len(moves)
        for number, (text, found) in enumerate(moves):
            self.texts.append(text)
            self.kinds[number].text = <const uint8_t *>PyBytes_AS_STRING(text)
            self.kinds[number].size = len(text)
            if len(found) > MOST_TRACKS:
                raise ValueError("too many re-engagers")
            self.kinds[number].moves = len(found)
            for each, (track, channels, after_ms) in enumerate(found):
                if not 0 <= track < self.how.count:
                    raise ValueError("no such re-engager")
                if not 0 <= after_ms < MOST_MS:
                    raise ValueError("too long a span")
                self.kinds[number].track[each] = track
                self.kinds[number].channels[each] = channels
                self.kinds[number].after_ms[each] = after_ms

    def settle(self, str key not None, bytes part not None, int moved, page_rest, older):
        self.how.moved = moved
        return settle(key, <const uint8_t *>PyBytes_AS_STRING(part), PyBytes_GET_SIZE(part), self.how, page_rest, older)

    def encode(self, Settled settled not None, dict parts not None, applied, bytes seen not None):
        cdef bytes name = settled.key.encode()
        cdef bytes head_key = self.head_key + name
        cdef bytes made
        cdef uint8_t *at
        cdef Py_ssize_t seen_size = PyBytes_GET_SIZE(seen)
        if seen_size > MOST_SEEN_BYTES:
            raise ValueError("seen has two bytes for its size")
        made = settled._part(10, <const uint8_t *>PyBytes_AS_STRING(seen), seen_size)
        if settled.older_changed:
            parts.pop(head_key, None)
            parts[self.ids_key + name] = b"\x01" + settled.older
            settled.older_changed = False
        settled.applied = applied
        at = <uint8_t *>PyBytes_AS_STRING(made)
        put_be(at, settled.indexed_due_ms)
        at[8] = <uint8_t>(seen_size >> 8)
        at[9] = <uint8_t>(seen_size & 0xFF)
        parts[head_key] = made

    @cython.boundscheck(True)
    def run(
        self, records, Py_ssize_t at, Py_ssize_t end, dict young, dict kept, dict changed, dict pages,
        int64_t time_ms, int64_t mark_ms, int64_t first_due_ms,
    ):
        cdef object record, key, value
        self.time_ms = time_ms
        self.history_seen = False
        while at < end:
            record = records[at]
            if record.topic != self.topic:
                break
            key, value = record.key, record.value
            if type(key) is not bytes or type(value) is not bytes:
                break
            if not self._apply(
                record, <bytes>key, <bytes>value, young, kept, changed, pages, mark_ms, first_due_ms
            ):
                break
            at += 1
        return at

    cdef bint _apply(
        self, record, bytes key, bytes value, dict young, dict kept, dict changed, dict pages,
        int64_t mark_ms, int64_t first_due_ms,
    ) except -1:
        """Apply one record, or leave it untouched: False."""
        cdef Read read
        cdef Plan plan
        cdef Settled settled
        cdef bytes older
        cdef PyObject *found
        read.offset, read.appended_ms = record.offset, record.appended_ms
        if not self._read(key, value, &read):
            return False
        # No member has a name of what is no UTF-8, which is then for others to complain of.
        found = PyDict_GetItem(
            young, PyUnicode_DecodeUTF8(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), "surrogateescape")
        )
        if found == NULL or type(<object>found) is not Settled:
            return False
        settled = <Settled>found
        plan.time_ms = read.at_ms if read.at_ms > self.time_ms else self.time_ms
        if settled.body == NULL or first_due_ms <= plan.time_ms - self.grace_ms:
            return False
        if plan.time_ms - self.grace_ms + 1 > mark_ms:
            mark_ms = plan.time_ms - self.grace_ms + 1
        blake2b_8(read.event, read.event_size, plan.digest)
        if self._has_seen(settled, &read) or settled.holds_id(plan.digest):
            self._done(&read, &plan)
            return True
        if not self._plan(settled, &read, mark_ms, &plan):
            return False
        # All is known: the record is applied, first what may want for memory, then what cannot fail.
        older = settled.spilt(plan.digest)
        if plan.moves_page:
            PyDict_SetItem(pages, settled.key, self._page(settled, key, read.at_ms))
        PyDict_SetItem(kept, settled.key, settled)
        PyDict_SetItem(changed, settled.key, settled)
        self._move(settled, &read, &plan)
        settled.remember(older)
        self._done(&read, &plan)
        return True

    cdef bint _read(self, bytes key, bytes value, Read *read) noexcept:
        """The activity in these bytes, if it is one that may repeat, in its own schema, and of this key."""
        cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(value)
        cdef const uint8_t *end = at + PyBytes_GET_SIZE(value)
        cdef const uint8_t *text
        cdef Py_ssize_t size
        cdef int64_t number
        if end - at < HEADER_BYTES or memcmp(at, PyBytes_AS_STRING(self.header), HEADER_BYTES) != 0:
            return False
        at = read_text(at + HEADER_BYTES, end, &read.event, &read.event_size)
        if at == NULL or not is_ascii(read.event, read.event_size):
            return False
        at = read_text(at, end, &text, &size)
        if at == NULL or size != PyBytes_GET_SIZE(key) or memcmp(text, PyBytes_AS_STRING(key), size) != 0:
            return False
        at = read_long(at, end, &read.at_ms)
        if at == NULL:
            return False
        at = read_text(at, end, &text, &size)
        if at == NULL:
            return False
        read.kind = self._kind(text, size)
        if read.kind == NULL:
            return False
        at = read_long(at, end, &number)
        if at == NULL or not 0 <= number < self.channel_count or after_attributes(at, end) != end:
            return False
        read.channel = <int>number
        return (
            self.oldest_ms <= read.at_ms <= self.latest_ms and read.at_ms - self.future_ms <= read.appended_ms
        )

    cdef const Kind *_kind(self, const uint8_t *text, Py_ssize_t size) noexcept:
        cdef int each
        for each in range(self.kind_count):
            if self.kinds[each].size == size and memcmp(self.kinds[each].text, text, size) == 0:
                return &self.kinds[each]
        return NULL

    cdef bint _has_seen(self, Settled settled, const Read *read) except -1:
        """At least once, a record may come again after the state it went into was stored."""
        cdef PyObject *known
        if self.once or settled.applied is None:
            return False
        known = PyDict_GetItem(settled.applied, self.topic)
        return known != NULL and <int64_t><object>known > read.offset

    cdef bint _plan(self, Settled settled, const Read *read, int64_t mark_ms, Plan *plan) noexcept:
        """What the activity would move; False where that is not known to be all that it does."""
        cdef const Kind *kind = read.kind
        cdef const uint8_t *body = settled.body
        cdef int each, place
        cdef const Track *track
        cdef int64_t last_ms
        # Where the older ids are not at hand it cannot be said that it is none of them.
        if settled.has_older and settled.older is None or read.at_ms < get_be(body + settled.now_at):
            return False
        for each in range(settled.timers):
            plan.dues[each] = get_be(body + settled.due_at[each])
        if plan.dues[0] <= read.at_ms:
            return False
        for each in range(kind.moves):
            if not kind.channels[each] >> read.channel & 1:
                continue
            track = &settled.tracks[kind.track[each]]
            if track.last_at == 0 or track.timer < 0:
                return False
            last_ms = get_be(body + track.last_at)
            plan.last_ms[each] = read.at_ms if read.at_ms > last_ms else last_ms
            place = track.timer
            if plan.last_ms[each] + kind.after_ms[each] < plan.dues[place]:
                return False
            plan.dues[place] = plan.last_ms[each] + kind.after_ms[each]
        for each in range(1, settled.timers):
            if plan.dues[each] <= plan.dues[each - 1]:
                return False
        if plan.dues[0] <= mark_ms or plan.dues[0] < settled.indexed_due_ms:
            return False
        plan.moves_page = False
        if read.channel != self.app:
            return True
        if settled.in_app_at == 0:
            return False
        plan.moves_page = read.at_ms > get_be(body + settled.in_app_at)
        return not plan.moves_page or self._page_has_rested(settled, read.at_ms)

    cdef bint _page_has_rested(self, Settled settled, int64_t at_ms) noexcept:
        """Whether the page is written at once, and what it has in common with the last one is at hand."""
        return (
            settled.snapshot_at != 0
            and settled.page_rest is not None
            and get_be(settled.body + settled.snapshot_at) + self.rest_ms <= at_ms
        )

    cdef void _move(self, Settled settled, const Read *read, const Plan *plan) noexcept:
        """Move what was planned."""
        cdef const Kind *kind = read.kind
        cdef uint8_t *body = settled.body
        cdef int each
        put_be(body + settled.now_at, read.at_ms)
        for each in range(kind.moves):
            if kind.channels[each] >> read.channel & 1:
                put_be(body + settled.tracks[kind.track[each]].last_at, plan.last_ms[each])
        for each in range(settled.timers):
            put_be(body + settled.due_at[each], plan.dues[each])
        if plan.moves_page:
            put_be(body + settled.in_app_at, read.at_ms)
            put_be(body + settled.snapshot_at, read.at_ms)
        settled.has_repeated = True

    cdef void _done(self, const Read *read, const Plan *plan) noexcept:
        """The partition is past the record, whether it was applied or had been before."""
        self.time_ms = plan.time_ms
        self.next_offset = read.offset + 1
        if read.appended_ms - read.at_ms > self.history_lag_ms:
            self.history_seen = True

    cdef bytes _page(self, Settled settled, bytes key, int64_t at_ms):
        """The member's page, of which only the instant and the last activity are new."""
        cdef bytes rest = settled.page_rest
        cdef const uint8_t *old = <const uint8_t *>PyBytes_AS_STRING(rest)
        cdef Py_ssize_t between = old[0]
        cdef Py_ssize_t behind = PyBytes_GET_SIZE(rest) - 1 - between
        cdef Py_ssize_t header = PyBytes_GET_SIZE(self.page_header)
        cdef Py_ssize_t name = PyBytes_GET_SIZE(key)
        cdef uint8_t[10] instant
        cdef Py_ssize_t instant_size = put_long(instant, at_ms) - instant
        # A key has up to 63 bytes here, so its length takes one.
        cdef bytes made = PyBytes_FromStringAndSize(
            NULL, header + 1 + name + instant_size + between + 1 + instant_size + behind
        )
        cdef uint8_t *at = <uint8_t *>PyBytes_AS_STRING(made)
        memcpy(at, PyBytes_AS_STRING(self.page_header), header)
        at += header
        at[0] = <uint8_t>(name << 1)
        memcpy(at + 1, PyBytes_AS_STRING(key), name)
        at += 1 + name
        memcpy(at, instant, instant_size)
        at += instant_size
        memcpy(at, old + 1, between)
        at += between
        at[0] = 2
        memcpy(at + 1, instant, instant_size)
        memcpy(at + 1 + instant_size, old + 1 + between, behind)
        return made

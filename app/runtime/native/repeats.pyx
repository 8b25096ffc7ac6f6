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

from app.runtime.native.avro cimport after_attributes, put_long, read_long, read_text
from app.runtime.native.blake2b cimport blake2b_8
from app.runtime.native.msgpack cimport get_be, put_be
from app.runtime.native.settled cimport (
    ID_BYTES, MOST_TIMERS, MOST_TRACKS, TAIL_BYTES, Settled, Settling, make_settling, settle
)

cdef enum:
    MOST_TYPES = 64
    REMEMBERED_BYTES = 512
    HEADER_BYTES = 10
    MOST_CHANNELS = 64
    MOST_SEEN_BYTES = 0xFFFF


def hash_id(bytes text not None):
    cdef uint8_t[ID_BYTES] digest
    if len(text) > 128:
        raise ValueError("up to 128 bytes")
    blake2b_8(<const uint8_t *>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), digest)
    return PyBytes_FromStringAndSize(<char *>digest, ID_BYTES)


cdef inline bint holds(const uint8_t *ids, Py_ssize_t size, Py_ssize_t start, const uint8_t *wanted) noexcept nogil:
    """Whether the id is among ids of 8 bytes each, from `start` on or after."""
    cdef Py_ssize_t place = (start + ID_BYTES - 1) // ID_BYTES * ID_BYTES
    while place + ID_BYTES <= size:
        if memcmp(ids + place, wanted, ID_BYTES) == 0:
            return True
        place += ID_BYTES
    return False


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


@cython.final
cdef class Repeats:
    """See settled.pyi."""

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
        cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(value)
        cdef const uint8_t *end = at + PyBytes_GET_SIZE(value)
        cdef const uint8_t *text
        cdef const uint8_t *member
        cdef const uint8_t *event
        cdef Py_ssize_t size, member_size, event_size
        cdef int64_t at_ms, number, time_ms, appended_ms, now_ms, offset
        cdef int64_t last_ms, latest_ms, in_app_ms = 0
        cdef int64_t[MOST_TRACKS] new_last
        cdef int64_t[MOST_TIMERS] dues
        cdef uint8_t[ID_BYTES] digest
        cdef int channel, each, track, place
        cdef Kind *kind = NULL
        cdef Settled settled
        cdef bytes older
        cdef bint in_app_moves = False
        cdef PyObject *found
        cdef PyObject *known

        # The record, in its own schema's bytes.
        if end - at < HEADER_BYTES or memcmp(at, PyBytes_AS_STRING(self.header), HEADER_BYTES) != 0:
            return False
        at = read_text(at + HEADER_BYTES, end, &event, &event_size)
        if at == NULL:
            return False
        for size in range(event_size):
            if event[size] & 0x80:
                return False
        at = read_text(at, end, &member, &member_size)
        if at == NULL or member_size != PyBytes_GET_SIZE(key):
            return False
        if memcmp(member, PyBytes_AS_STRING(key), member_size) != 0:
            return False
        at = read_long(at, end, &at_ms)
        if at == NULL:
            return False
        at = read_text(at, end, &text, &size)
        if at == NULL:
            return False
        for each in range(self.kind_count):
            if self.kinds[each].size == size and memcmp(self.kinds[each].text, text, size) == 0:
                kind = &self.kinds[each]
                break
        if kind == NULL:
            return False
        at = read_long(at, end, &number)
        if at == NULL or not 0 <= number < self.channel_count:
            return False
        channel = <int>number
        if after_attributes(at, end) != end:
            return False
        appended_ms = record.appended_ms
        if not self.oldest_ms <= at_ms <= self.latest_ms or at_ms - self.future_ms > appended_ms:
            return False

        # The member, and whether anything is due before the record.
        # No member has a name of what is no UTF-8, which is then for others to complain of.
        found = PyDict_GetItem(young, PyUnicode_DecodeUTF8(<char *>member, member_size, "surrogateescape"))
        if found == NULL or type(<object>found) is not Settled:
            return False
        settled = <Settled>found
        if settled.body == NULL:
            return False
        time_ms = at_ms if at_ms > self.time_ms else self.time_ms
        if first_due_ms <= time_ms - self.grace_ms:
            return False
        offset = record.offset
        if not self.once and settled.applied is not None:
            known = PyDict_GetItem(settled.applied, self.topic)
            if known != NULL and <int64_t><object>known > offset:
                return self._pass_over(time_ms, offset, appended_ms, at_ms)
        blake2b_8(event, event_size, digest)
        if holds(settled.ids, settled.ids_size, 0, digest):
            return self._pass_over(time_ms, offset, appended_ms, at_ms)
        if settled.has_older:
            if settled.older is None:
                return False
            size = PyBytes_GET_SIZE(settled.older)
            number = size + settled.ids_size - REMEMBERED_BYTES
            if holds(<const uint8_t *>PyBytes_AS_STRING(settled.older), size, number if number > 0 else 0, digest):
                return self._pass_over(time_ms, offset, appended_ms, at_ms)
        now_ms = get_be(settled.body + settled.now_at)
        if at_ms < now_ms:
            return False

        # What would move, and whether all of that only moves.
        for each in range(settled.timers):
            dues[each] = get_be(settled.body + settled.due_at[each])
        if dues[0] <= at_ms:
            return False
        for each in range(kind.moves):
            if not kind.channels[each] >> channel & 1:
                continue
            track = kind.track[each]
            if settled.tracks[track].last_at == 0 or settled.tracks[track].timer < 0:
                return False
            last_ms = get_be(settled.body + settled.tracks[track].last_at)
            latest_ms = at_ms if at_ms > last_ms else last_ms
            new_last[each] = latest_ms
            place = settled.tracks[track].timer
            if latest_ms + kind.after_ms[each] < dues[place]:
                return False
            dues[place] = latest_ms + kind.after_ms[each]
        for each in range(1, settled.timers):
            if dues[each] <= dues[each - 1]:
                return False
        if time_ms - self.grace_ms + 1 > mark_ms:
            mark_ms = time_ms - self.grace_ms + 1
        if dues[0] <= mark_ms or dues[0] < settled.indexed_due_ms:
            return False
        if channel == self.app:
            if settled.in_app_at == 0:
                return False
            in_app_ms = get_be(settled.body + settled.in_app_at)
            if at_ms > in_app_ms:
                in_app_moves = True
                if settled.snapshot_at == 0 or settled.page_rest is None:
                    return False
                if get_be(settled.body + settled.snapshot_at) + self.rest_ms > at_ms:
                    return False

        # All is known: the record is applied, first what may want for memory, then what cannot fail.
        older = self._spill(settled, digest)
        if in_app_moves:
            PyDict_SetItem(pages, settled.key, self._page(settled, key, at_ms))
        PyDict_SetItem(kept, settled.key, settled)
        PyDict_SetItem(changed, settled.key, settled)
        put_be(settled.body + settled.now_at, at_ms)
        for each in range(kind.moves):
            if kind.channels[each] >> channel & 1:
                put_be(settled.body + settled.tracks[kind.track[each]].last_at, new_last[each])
        for each in range(settled.timers):
            put_be(settled.body + settled.due_at[each], dues[each])
        if in_app_moves:
            put_be(settled.body + settled.in_app_at, at_ms)
            put_be(settled.body + settled.snapshot_at, at_ms)
        settled.ids_size += ID_BYTES
        if older is not None:
            settled.older = older
            settled.older_changed = True
            settled.has_older = True
            settled.body[settled.older_at] = 0xC3
            settled.ids_size = 0
        settled.has_repeated = True
        return self._pass_over(time_ms, offset, appended_ms, at_ms)

    cdef bint _pass_over(self, int64_t time_ms, int64_t offset, int64_t appended_ms, int64_t at_ms) noexcept:
        """The record is done with; whether it was applied or had been before."""
        self.time_ms = time_ms
        self.next_offset = offset + 1
        if appended_ms - at_ms > self.history_lag_ms:
            self.history_seen = True
        return True

    cdef bytes _spill(self, Settled settled, const uint8_t *digest):
        """Put the id behind the newest; if that makes them too many, returns the older ids with all of them. `ids_size` stays."""
        cdef bytes older
        memcpy(settled.ids + settled.ids_size, digest, ID_BYTES)
        if settled.ids_size + ID_BYTES < TAIL_BYTES:
            return None
        older = PyBytes_FromStringAndSize(<char *>settled.ids, TAIL_BYTES)
        return older if settled.older is None else (settled.older + older)[-REMEMBERED_BYTES:]

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

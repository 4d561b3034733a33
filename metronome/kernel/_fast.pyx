# cython: language_level=3, boundscheck=False, wraparound=False
"""The native twin: the face of the C core in this folder (``kernel.h``).

What it does is said in ``interface.py`` and in the pure twin.  Each method takes the table's
lock, and never waits for it with Python's in hand; what may take long runs without Python's.
"""

import os

import numpy as np

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from metronome.kernel.core cimport *

from metronome import limits
from metronome.kernel.cells import LN_GAMMA
from metronome.kernel.interface import Reject, Sample
from metronome.kernel.merging import check
from metronome.kernel.naming import clean
from metronome.kernel.packs import check_counts, check_ends
from metronome.model import KIND_CODES, Columns, Ragged, parse_key

_REASONS = {
    WHY_MALFORMED_LINE: "malformed_line",
    WHY_BAD_NAME: "bad_name",
    WHY_BAD_VALUE: "bad_value",
    WHY_NOT_FINITE: "not_finite",
    WHY_BAD_TYPE: "bad_type",
    WHY_BAD_RATE: "bad_rate",
    WHY_BAD_TIME: "bad_time",
    WHY_BAD_LABEL: "bad_label",
    WHY_TOO_MANY_LABELS: "too_many_labels",
    WHY_MIXED_TAG_STYLES: "mixed_tag_styles",
    WHY_TRUNCATED: "truncated",
    WHY_BAD_EVENT: "bad_event",
    WHY_MAPPING_DROP: "mapping_drop",
    WHY_TOO_MANY_SERIES: "too_many_series",
    WHY_UNMAPPED: "unmapped",
}

BOUNDS = {
    "NAME_BYTES": NAME_BYTES,
    "LABEL_VALUE_BYTES": LABEL_VALUE_BYTES,
    "LABELS_PER_SERIES": LABELS_PER_SERIES,
    "NUMBER_BYTES": NUMBER_BYTES,
    "EXCERPT_BYTES": EXCERPT_BYTES,
    "REJECTS_KEPT": REJECTS_KEPT,
    "POINTS_KEPT": POINTS_KEPT,
    "POINTS_PER_PACK": POINTS_PER_PACK,
    "PACK_SPAN_MS": PACK_SPAN_MS,
    "BACKLOG_BYTES": BACKLOG_BYTES,
    "SENDERS_KEPT": SENDERS_KEPT,
    "LATE_PARTS": LATE_PARTS,
    "KEYS_BYTES": KEYS_BYTES,
    "SAMPLE_FUTURE": SAMPLE_FUTURE,
    "EVENTS_WAITING": EVENTS_WAITING,
    "EVENT_BYTES_WAITING": EVENT_BYTES_WAITING,
    "DATAGRAM_BYTES": DATAGRAM_BYTES,
    "LATEST_MS": LATEST_MS,
    "SKETCH_OFFSET": SKETCH_OFFSET,
    "SKETCH_SMALLEST": SKETCH_SMALLEST,
    "SKETCH_LARGEST": SKETCH_LARGEST,
}
"""The bounds that are compiled in; a test holds them to ``limits.py``."""

_KEY_BYTES = 65535

cdef enum:
    _SHORT = 16384  # blocks up to this many bytes are not worth letting Python's lock go
    _SOCKETS = 64

if mt_number_start() < 0:
    raise MemoryError


def hash64(bytes data not None):
    """FNV-1a over the bytes, finished with MurmurHash3's 64-bit mixer."""
    return mt_hash64(<const char *>data, len(data))


cdef int _flags(object dialect):
    return (
        D_GAUGE_DELTA * bool(dialect.gauge_delta)
        | D_DOGSTATSD * bool(dialect.dogstatsd_tags)
        | D_INFLUX * bool(dialect.influx_tags)
        | D_LIBRATO * bool(dialect.librato_tags)
        | D_SIGNALFX * bool(dialect.signalfx_tags)
        | D_GRAPHITE * bool(dialect.graphite_tags)
        | D_CONTAINER * bool(dialect.container_labels)
    )


include "columns.pxi"
include "writing.pxi"
include "exposed.pxi"
include "probing.pxi"
include "keys.pxi"
include "packs.pxi"


cdef dict _told(const tally *t):
    """A lane's totals by name."""
    cdef int reason
    totals = {
        "lines": t.lines,
        "samples": t.samples,
        "datagrams": t.datagrams,
        "bytes": t.bytes,
        "events": t.events,
        "kernel_drops": t.kernel_drops,
    }
    if t.shed:
        totals["shed:queue_full"] = t.shed
    if t.overflowed:
        totals["overflowed"] = t.overflowed
    if t.unmapped:
        totals["unmapped"] = t.unmapped
    if t.forgotten:
        totals["filtered:forgotten"] = t.forgotten
    for reason in range(WHY_OK + 1, WHY_MEMORY):
        if t.rejected[reason]:
            totals[f"rejected:{_REASONS[reason]}"] = t.rejected[reason]
    return totals


cdef int _map(void *context, const char *series, size_t n, int kind, mapped *out) noexcept with gil:
    """Ask Python's mapper; an error in it is reported as unraisable and drops the name."""
    cdef bytes data
    name, *texts = series[:n].decode("utf-8").split("\0")
    labels = tuple(sorted(zip(texts[::2], texts[1::2], strict=True)))
    found = (<Table>context)._mapper(name, kind, labels)
    if found is None:
        return 0
    texts = [found.name]
    for pair in found.labels:
        texts.extend(pair)
    data = "\0".join([text.replace("\0", "\ufffd") for text in texts]).encode()
    if mt_reserve(&out.text, len(data) + 1) < 0:
        return 0
    memcpy(out.text.p, <const char *>data, len(data))
    out.text.n = len(data)
    out.factor = found.factor
    out.ruled = RULED if found.ruled else UNRULED
    return 1


cdef class Table:
    """See :class:`metronome.kernel.interface.Table`."""

    serves = True

    cdef table *_table
    cdef object _mapper
    cdef object _dialect
    cdef int _flags

    def __cinit__(
        self,
        *,
        series_limit=limits.SERIES_PER_STREAM,
        timer_samples=limits.TIMER_SAMPLES,
        set_members=limits.SET_MEMBERS,
        relative_gauges=False,
        prefix_limit=0,
        double period=10.0,
        double late=limits.SAMPLE_PAST,
        uint32_t gauge_flushes=0,
    ):
        self._table = mt_table_new(series_limit, timer_samples, set_members, LN_GAMMA)
        if self._table is NULL:
            raise MemoryError
        self._table.relative = bool(relative_gauges)
        self._table.prefix_limit = prefix_limit
        self._table.gauge_flushes = gauge_flushes
        self._table.period_ms = max(round(period * 1000), 1)
        self._table.late_ms = round(late * 1000)
        self._table.early_ms = SAMPLE_FUTURE * 1000

    def __dealloc__(self):
        mt_table_free(self._table)

    cdef int _use(self, object dialect) except -1:
        if dialect is not self._dialect:
            self._flags = _flags(dialect)
            self._dialect = dialect
        return self._flags

    cdef int _lock(self) except -1:
        """Take the table's lock; what only the mapper could tell is read now."""
        if not mt_try_lock(self._table):
            with nogil:
                mt_lock(self._table)
        if self._table.later.n:
            mt_feed_later(self._table)
        return 0

    cdef int _known(self, uint32_t lane) except -1:
        if lane >= self._table.lane_count:
            raise ValueError(f"there is no lane {lane}")
        return 0

    cdef int _lock_lane(self, uint32_t lane) except -1:
        self._known(lane)
        self._lock()
        mt_use_lane(self._table, lane)
        return 0

    cdef int _unlock(self) except -1:
        """Let the lock go; MemoryError if there was no memory for something since."""
        cdef int failed = self._table.failed
        self._table.failed = 0
        mt_unlock(self._table)
        if failed:
            raise MemoryError
        return 0

    cdef uint64_t _held(self) noexcept:
        return self._table.folded + self._table.point_count + self._table.odd_count + self._table.late_samples

    # --- in -------------------------------------------------------------------------------

    def begin(self, int64_t start_ms):
        """Say when the period that is open began."""
        self._table.open_ms = start_ms

    def lane(self):
        """Open a way in with its own books; its number."""
        self._lock()
        cdef int number = mt_lane_new(self._table)
        mt_unlock(self._table)
        if number < 0:
            raise MemoryError
        return number

    def feed_statsd(self, bytes block not None, dialect, uint32_t lane=0):
        """Parse a datagram or whole lines, fold the samples; the number folded."""
        cdef int flags = self._use(dialect)
        cdef const char *data = block
        cdef size_t n = len(block)
        cdef uint64_t folded
        self._lock_lane(lane)
        if n < _SHORT:
            folded = mt_feed_statsd(self._table, data, n, flags)
        else:
            with nogil:
                folded = mt_feed_statsd(self._table, data, n, flags)
        self._unlock()
        return folded

    def feed_graphite(self, bytes block not None, double now, dialect, uint32_t lane=0):
        """Parse whole Graphite lines, keep each as a gauge point at its time."""
        cdef int flags = self._use(dialect)
        cdef const char *data = block
        cdef size_t n = len(block)
        cdef int64_t now_ms = round(now * 1000)
        cdef uint64_t kept
        self._lock_lane(lane)
        with nogil:
            kept = mt_feed_graphite(self._table, data, n, now_ms, flags)
        self._unlock()
        return kept

    def add_point(self, bytes key not None, int64_t time_ms, double value, uint32_t lane=0):
        """Keep a gauge point of an already canonical key (pickle); False: no room."""
        cdef int kept = 0
        cdef const char *data = key
        cdef size_t n = len(key)
        if key[:1] not in KIND_CODES or not key or len(key) > _KEY_BYTES:
            raise ValueError(f"not a series key: {key[:80]!r}")
        self._lock_lane(lane)
        cdef uint32_t index = mt_intern(self._table, data, n)
        if NO_PLACE(index) and not self._table.failed:
            mt_reject(self._table, WHY_TOO_MANY_SERIES, data, n)
        elif not NO_PLACE(index):
            kept = mt_keep_any_point(self._table, index, time_ms, value, 1.0)
            self._table.lane.tally.samples += kept
        self._unlock()
        return bool(kept)

    def drain(self, int fd, long budget, dialect, uint32_t lane=0):
        """Receive, parse and fold datagrams until none is waiting or ``budget`` were read."""
        cdef int flags = self._use(dialect)
        cdef long got
        self._lock_lane(lane)
        with nogil:
            got = mt_drain(self._table, fd, budget, flags)
        self._unlock()
        if got < 0:
            raise OSError(-got, os.strerror(-got))
        return got

    def merge(self, columns, uint32_t lane=0):
        """Take in what another table gave out; the number of samples taken in."""
        check(columns)
        cdef flush_arrays a
        cdef size_t rows = len(columns)
        cdef uint64_t taken
        held = _see(columns, &a)
        self._lock_lane(lane)
        with nogil:
            taken = mt_merge(self._table, &a, rows)
        self._unlock()
        del held
        return taken

    def serve(self, list fds not None, int stop_fd, dialect, uint32_t lane=0):
        """Receive, parse and fold until ``stop_fd`` can be read."""
        cdef int flags = self._use(dialect)
        cdef int numbers[_SOCKETS]
        cdef int count = len(fds), i, result
        self._known(lane)
        if count > _SOCKETS:
            raise ValueError(f"{count} sockets; at most {_SOCKETS} would be right")
        for i in range(count):
            numbers[i] = fds[i]
        with nogil:
            result = mt_serve(self._table, numbers, count, stop_fd, flags, lane)
        if result < 0:
            raise OSError(-result, os.strerror(-result))

    # --- out ------------------------------------------------------------------------------

    cdef object _harvest(self, int what, int64_t start_ms, double period):
        cdef harvest h
        cdef int failed
        self._lock()
        with nogil:
            failed = mt_harvest(self._table, what, start_ms, period, &h)
            mt_unlock(self._table)
            if not failed:
                mt_put_ids(&h)
        if failed:
            raise MemoryError
        return _columns(&h)

    def flush(self, int64_t start_ms, double period):
        """Take the folded samples of the period out."""
        return self._harvest(TAKE_OUT, start_ms, period)

    def snapshot(self, int64_t start_ms, double period):
        """What ``flush`` would give now, and nothing changes."""
        return self._harvest(LOOK_AT, start_ms, period)

    def gauges(self):
        """The value of every gauge that has one, live or idle; no samples."""
        return self._harvest(GAUGE_VALUES, 0, 0.0)

    def restore_gauges(self, keys, values):
        """Give gauges their values back; those that have one by now keep it."""
        cdef bytes key
        cdef double value
        cdef uint32_t number = 0
        for key, value in zip(keys, values, strict=True):
            self._lock()
            number += mt_restore_gauge(self._table, key, len(key), value)
            self._unlock()
        return number

    def totals(self):
        """How far each counter is that is sent as a running total; no samples."""
        return self._harvest(TOTAL_VALUES, 0, 0.0)

    def restore_totals(self, keys, values):
        """Say how far counters are; those that have said it by now know better."""
        cdef bytes key
        cdef double value
        cdef uint32_t number = 0
        for key, value in zip(keys, values, strict=True):
            self._lock()
            number += mt_restore_total(self._table, key, len(key), value)
            self._unlock()
        return number

    def flush_points(self):
        """Take the points that carry their own time out."""
        cdef harvest h
        cdef int failed
        self._lock()
        with nogil:
            failed = mt_harvest_points(self._table, &h)
            mt_unlock(self._table)
            if not failed:
                mt_put_ids(&h)
        if failed:
            raise MemoryError
        return _columns(&h)

    @property
    def waiting(self):
        """Samples folded and points kept since they were last taken out."""
        self._lock()
        cdef uint64_t waiting = self._held()
        mt_unlock(self._table)
        return waiting

    @property
    def points_waiting(self):
        """Those of them that ``flush_points`` will take."""
        return self._table.point_count + self._table.odd_count + self._table.late_samples

    @property
    def series(self):
        """Series known, live or idle."""
        return self._table.count

    def prune(self, uint32_t idle):
        """Forget series that got nothing in the last ``idle`` flushes; how many."""
        cdef uint32_t gone
        self._lock()
        with nogil:
            gone = mt_prune(self._table, idle)
            mt_unlock(self._table)
        return gone

    def forget(self, keys, uint32_t lane=0):
        """Forget these series, and what they had folded; how many were known."""
        cdef bytes packed = b"".join([len(key).to_bytes(4, "little") + key for key in keys])
        cdef const char *data = packed
        cdef size_t n = len(packed)
        cdef long known
        self._lock_lane(lane)
        with nogil:
            known = mt_forget(self._table, data, n)
            mt_unlock(self._table)
        if known < 0:
            raise MemoryError
        return known

    def rejects(self, uint32_t lane=0):
        """Take a lane's last rejects out, newest last, at most ``REJECTS_KEPT``."""
        cdef _Taken taken = _Taken.__new__(_Taken)
        cdef uint32_t i
        cdef reject *r
        cdef char sender[64]
        self._known(lane)
        self._lock()
        mt_lane_take_rejects(self._table.lanes[lane], taken._lane)
        mt_unlock(self._table)
        found = []
        for i in range(taken._lane.reject_count):
            r = &taken._lane.rejects[(taken._lane.reject_first + i) % REJECTS_KEPT]
            mt_address_text(&r.sender, sender)
            excerpt = <bytes>(<char *>r.text)[: r.length]
            found.append(Reject(_REASONS[r.reason], excerpt, (<bytes>sender).decode("ascii"), r.number))
        return found

    def take_events(self, uint32_t lane=0):
        """Take a lane's DogStatsD events and service checks out, as the lines they came in."""
        cdef _Taken taken = _Taken.__new__(_Taken)
        cdef uint32_t i, begin = 0
        self._known(lane)
        self._lock()
        mt_lane_take_events(self._table.lanes[lane], taken._lane)
        mt_unlock(self._table)
        events = []
        for i in range(taken._lane.event_count):
            events.append(<bytes>taken._lane.events.p[begin : taken._lane.event_ends[i]])
            begin = taken._lane.event_ends[i]
        return events

    def books(self):
        """What waits, and the totals of each lane that has changed since the last call."""
        cdef uint32_t count = self._table.lane_count, i
        cdef uint64_t waiting
        cdef tally *copies = <tally *>malloc((count + 1) * sizeof(tally))
        cdef char *changed = <char *>malloc(count + 1)
        if copies is NULL or changed is NULL:
            free(copies)
            free(changed)
            raise MemoryError
        self._lock()
        waiting = self._held()
        for i in range(count):
            changed[i] = self._table.lanes[i].changed
            self._table.lanes[i].changed = 0
            copies[i] = self._table.lanes[i].tally
        mt_unlock(self._table)
        try:
            return waiting, {i: _told(&copies[i]) for i in range(count) if changed[i]}
        finally:
            free(copies)
            free(changed)

    def counts(self):
        """Totals of all lanes since the table was made."""
        cdef uint32_t i
        cdef tally one
        totals = {}
        for i in range(self._table.lane_count):
            self._lock()
            one = self._table.lanes[i].tally
            mt_unlock(self._table)
            for name, number in _told(&one).items():
                totals[name] = totals.get(name, 0) + number
        return totals

    def senders(self):
        """Who sent most datagrams since the last call, and how many, most first."""
        cdef talker talkers[SENDERS_KEPT]
        cdef uint32_t count, i
        cdef char text[64]
        self._lock()
        count = self._table.sender_count
        if count:
            memcpy(talkers, self._table.senders, count * sizeof(talker))
        self._table.sender_count = 0
        mt_unlock(self._table)
        found = []
        for i in range(count):
            mt_address_text(&talkers[i].address, text)
            found.append(((<bytes>text).decode("ascii"), talkers[i].count))
        return sorted(found, key=_most_first)

    def set_mapper(self, mapper):
        """Use a mapper; clears what was cached.  It must not raise."""
        self._lock()
        self._mapper = mapper
        self._table.scratch.mapper = NULL
        if mapper is not None:
            self._table.scratch.mapper = _map
        self._table.scratch.mapper_context = <void *>self
        mt_forget_raw(self._table)
        mt_unlock(self._table)


def _most_first(talker_):
    return -talker_[1], talker_[0]


cdef class _Taken:
    """A lane that holds what was moved out of another until it is read."""

    cdef lane *_lane

    def __cinit__(self):
        self._lane = mt_lane_make()
        if self._lane is NULL:
            raise MemoryError

    def __dealloc__(self):
        mt_lane_free(self._lane)


include "parse.pxi"

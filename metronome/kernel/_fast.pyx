# cython: language_level=3, boundscheck=False, wraparound=False
"""The native twin: the face of the C core in this folder (``kernel.h``).

What it does is said in ``interface.py`` and in the pure twin.  Parsing, folding and receiving run
without Python's lock; a mapper takes it for each raw name that is new.
"""

import os

import numpy as np

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int16_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from metronome import limits
from metronome.kernel.cells import LN_GAMMA
from metronome.kernel.interface import Reject, Sample
from metronome.kernel.merging import check
from metronome.kernel.naming import clean
from metronome.model import KIND_CODES, Columns, Ragged, parse_key

cdef extern from "kernel.h" nogil:
    enum:
        WHY_OK, WHY_MALFORMED_LINE, WHY_BAD_NAME, WHY_BAD_VALUE, WHY_NOT_FINITE, WHY_BAD_TYPE, WHY_BAD_RATE
        WHY_BAD_TIME, WHY_BAD_LABEL, WHY_TOO_MANY_LABELS, WHY_MIXED_TAG_STYLES, WHY_TRUNCATED, WHY_BAD_EVENT
        WHY_MAPPING_DROP, WHY_TOO_MANY_SERIES, WHY_MEMORY, REASONS
        COUNTER, GAUGE, TIMER, SET
        D_GAUGE_DELTA, D_DOGSTATSD, D_INFLUX, D_LIBRATO, D_SIGNALFX, D_GRAPHITE, D_CONTAINER
        NAME_BYTES, LABEL_VALUE_BYTES, LABELS_PER_SERIES, NUMBER_BYTES, EXCERPT_BYTES, REJECTS_KEPT
        POINTS_KEPT, EVENTS_WAITING, EVENT_BYTES_WAITING, DATAGRAM_BYTES, SKETCH_OFFSET, REGISTERS
    double LATEST_MS, SKETCH_SMALLEST, SKETCH_LARGEST

    ctypedef struct slice "slice":
        const char *p
        size_t n

    ctypedef struct buffer:
        char *p
        size_t n

    ctypedef struct item:
        double value
        slice member
        int delta

    ctypedef struct group:
        double rate
        size_t first, count
        int kind

    ctypedef struct line:
        double time
        int timed
        size_t groups

    ctypedef int (*mt_mapper)(void *context, const char *name, size_t n, int kind, buffer *out) noexcept nogil

    ctypedef struct scratch:
        line line
        group *groups
        item *items
        buffer key
        mt_mapper mapper
        void *mapper_context

    ctypedef struct reject:
        uint8_t reason, length
        char *text

    ctypedef struct graphite_line:
        slice path
        double value
        int64_t time_ms
        int timed

    ctypedef struct table:
        uint32_t count, reject_first, reject_count, event_count
        scratch scratch
        size_t point_count
        uint64_t folded
        int failed, relative
        reject *rejects
        buffer events
        uint32_t *event_ends
        uint64_t lines, samples, datagrams, bytes, event_total, kernel_drops, shed
        uint64_t *rejected

    ctypedef struct flush_sizes:
        size_t rows, keys, samples, bins, hashes, registers
        int weighted

    ctypedef struct flush_arrays:
        uint32_t *key_ends
        char *keys
        uint64_t *ids
        uint8_t *kinds
        int64_t *times
        double *periods
        uint32_t *counts
        double *n
        double *d
        double *low
        double *high
        double *squares
        uint32_t *sample_ends
        uint32_t *bin_ends
        uint32_t *hash_ends
        uint32_t *register_ends
        double *samples
        double *weights
        int16_t *bins
        double *bin_counts
        uint64_t *hashes
        uint8_t *registers

    int mt_number_start()
    uint64_t mt_hash64(const void *data, size_t n)
    int mt_reserve(buffer *b, size_t more)
    int mt_statsd_key(scratch *s, int kind, int dialect)
    void mt_scratch_free(scratch *s)
    int mt_statsd_line(scratch *s, const char *p, size_t n, int dialect)
    int mt_is_event(const char *p, size_t n)
    int mt_event_is_good(const char *p, size_t n)
    int mt_graphite_line(graphite_line *out, const char *p, size_t n)
    int mt_graphite_key(scratch *s, slice path, int dialect)
    table *mt_table_new(uint32_t series_limit, uint32_t timer_samples, uint32_t set_members, double ln_gamma)
    void mt_table_free(table *t)
    uint32_t mt_intern(table *t, const char *key, size_t n)
    void mt_forget_raw(table *t)
    int mt_keep_point(table *t, uint32_t index, int64_t time_ms, double n, double d)
    void mt_reject(table *t, int reason, const char *p, size_t n)
    void mt_clear_rejects(table *t)
    void mt_clear_events(table *t)
    uint64_t mt_feed_statsd(table *t, const char *block, size_t n, int dialect)
    uint64_t mt_feed_graphite(table *t, const char *block, size_t n, int64_t now_ms, int dialect)
    int mt_next_line(const char **at, const char *end, slice *out)
    long mt_drain(table *t, int fd, long budget, int dialect)
    void mt_flush_sizes(const table *t, flush_sizes *sizes)
    void mt_flush(table *t, const flush_arrays *a, int64_t start_ms, double period, int weighted)
    size_t mt_points_key_bytes(const table *t)
    void mt_flush_points(table *t, const flush_arrays *a)
    uint32_t mt_prune(table *t, uint32_t idle)
    uint64_t mt_merge(table *t, const flush_arrays *a, size_t rows)

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
}

BOUNDS = {
    "NAME_BYTES": NAME_BYTES,
    "LABEL_VALUE_BYTES": LABEL_VALUE_BYTES,
    "LABELS_PER_SERIES": LABELS_PER_SERIES,
    "NUMBER_BYTES": NUMBER_BYTES,
    "EXCERPT_BYTES": EXCERPT_BYTES,
    "REJECTS_KEPT": REJECTS_KEPT,
    "POINTS_KEPT": POINTS_KEPT,
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


cdef void *_at(object array) except? NULL:
    """Where a writable array's memory is; it stays there while the array lives."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_WRITABLE)
    cdef void *place = view.buf
    PyBuffer_Release(&view)
    return place


cdef int _map(void *context, const char *name, size_t n, int kind, buffer *out) noexcept with gil:
    """Ask Python's mapper; an error in it is reported as unraisable and drops the name."""
    cdef bytes data
    found = (<Table>context)._mapper(name[:n].decode("ascii"), kind)
    if found is None:
        return 0
    texts = [found[0]]
    for pair in found[1]:
        texts.extend(pair)
    data = "\0".join([text.replace("\0", "\ufffd") for text in texts]).encode()
    if mt_reserve(out, len(data) + 1) < 0:
        return 0
    memcpy(out.p, <const char *>data, len(data))
    out.n = len(data)
    return 1


cdef class Table:
    """See :class:`metronome.kernel.interface.Table`."""

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
    ):
        self._table = mt_table_new(series_limit, timer_samples, set_members, LN_GAMMA)
        if self._table is NULL:
            raise MemoryError
        self._table.relative = bool(relative_gauges)

    def __dealloc__(self):
        mt_table_free(self._table)

    cdef int _use(self, object dialect) except -1:
        if dialect is not self._dialect:
            self._flags = _flags(dialect)
            self._dialect = dialect
        return self._flags

    cdef int _check(self) except -1:
        if self._table.failed:
            self._table.failed = 0
            raise MemoryError
        return 0

    def feed_statsd(self, bytes block not None, dialect):
        """Parse a datagram or whole lines, fold the samples; the number folded."""
        cdef int flags = self._use(dialect)
        cdef const char *data = block
        cdef size_t n = len(block)
        cdef uint64_t folded
        with nogil:
            folded = mt_feed_statsd(self._table, data, n, flags)
        self._check()
        return folded

    def feed_graphite(self, bytes block not None, double now, dialect):
        """Parse whole Graphite lines, keep each as a gauge point at its time."""
        cdef int flags = self._use(dialect)
        cdef const char *data = block
        cdef size_t n = len(block)
        cdef int64_t now_ms = round(now * 1000)
        cdef uint64_t kept
        with nogil:
            kept = mt_feed_graphite(self._table, data, n, now_ms, flags)
        self._check()
        return kept

    def add_point(self, bytes key not None, int64_t time_ms, double value):
        """Keep a gauge point of an already canonical key (pickle); False: no room."""
        if key[:1] not in KIND_CODES or not key or len(key) > _KEY_BYTES:
            raise ValueError(f"not a series key: {key[:80]!r}")
        cdef uint32_t index = mt_intern(self._table, key, len(key))
        self._check()
        if index == <uint32_t>0xFFFFFFFF:
            mt_reject(self._table, WHY_TOO_MANY_SERIES, key, len(key))
            return False
        cdef int kept = mt_keep_point(self._table, index, time_ms, value, 1.0)
        self._check()
        self._table.samples += kept
        return bool(kept)

    def drain(self, int fd, long budget, dialect):
        """Receive, parse and fold datagrams until none is waiting or ``budget`` were read."""
        cdef int flags = self._use(dialect)
        cdef long got
        with nogil:
            got = mt_drain(self._table, fd, budget, flags)
        if got < 0:
            raise OSError(-got, os.strerror(-got))
        self._check()
        return got

    def merge(self, columns):
        """Take in what another table gave out; the number of samples taken in."""
        check(columns)
        cdef flush_arrays a
        cdef size_t rows = len(columns)
        cdef uint64_t taken
        held = _see(columns, &a)
        with nogil:
            taken = mt_merge(self._table, &a, rows)
        del held
        self._check()
        return taken

    def flush(self, int64_t start_ms, double period):
        """Take the folded samples of the period out."""
        cdef flush_sizes sizes
        cdef flush_arrays a
        mt_flush_sizes(self._table, &sizes)
        columns = _new_columns(&sizes, &a)
        with nogil:
            mt_flush(self._table, &a, start_ms, period, sizes.weighted)
        return columns

    def flush_points(self):
        """Take the points that carry their own time out."""
        cdef flush_sizes sizes
        cdef flush_arrays a
        memset(&sizes, 0, sizeof(sizes))
        sizes.rows = self._table.point_count
        sizes.keys = mt_points_key_bytes(self._table)
        columns = _new_columns(&sizes, &a)
        with nogil:
            mt_flush_points(self._table, &a)
        columns.low[:] = columns.n
        columns.high[:] = columns.n
        columns.periods[:] = 0.0
        columns.squares[:] = 0.0
        return columns

    @property
    def waiting(self):
        """Samples folded and points kept since they were last taken out."""
        return self._table.folded + self._table.point_count

    @property
    def points_waiting(self):
        """Those of them that ``flush_points`` will take."""
        return self._table.point_count

    @property
    def series(self):
        """Series known, live or idle."""
        return self._table.count

    def prune(self, uint32_t idle):
        """Forget series that got nothing in the last ``idle`` flushes; how many."""
        return mt_prune(self._table, idle)

    def rejects(self):
        """Take the last rejects out, newest last, at most ``REJECTS_KEPT``."""
        cdef uint32_t i
        cdef reject *r
        found = []
        for i in range(self._table.reject_count):
            r = &self._table.rejects[(self._table.reject_first + i) % REJECTS_KEPT]
            found.append(Reject(_REASONS[r.reason], <bytes>(<char *>r.text)[: r.length]))
        mt_clear_rejects(self._table)
        return found

    def counts(self):
        """Totals since the table was made."""
        cdef int reason
        totals = {
            "lines": self._table.lines,
            "samples": self._table.samples,
            "datagrams": self._table.datagrams,
            "bytes": self._table.bytes,
            "events": self._table.event_total,
            "kernel_drops": self._table.kernel_drops,
        }
        if self._table.shed:
            totals["shed:queue_full"] = self._table.shed
        for reason in range(WHY_OK + 1, WHY_MEMORY):
            if self._table.rejected[reason]:
                totals[f"rejected:{_REASONS[reason]}"] = self._table.rejected[reason]
        return totals

    def take_events(self):
        """Take the DogStatsD events and service checks out, as the lines they came in."""
        cdef uint32_t i, begin = 0
        events = []
        for i in range(self._table.event_count):
            events.append(<bytes>self._table.events.p[begin : self._table.event_ends[i]])
            begin = self._table.event_ends[i]
        mt_clear_events(self._table)
        return events

    def set_mapper(self, mapper):
        """Use a mapper for names without tags; clears what was cached.  It must not raise."""
        self._mapper = mapper
        self._table.scratch.mapper = NULL
        if mapper is not None:
            self._table.scratch.mapper = _map
        self._table.scratch.mapper_context = <void *>self
        mt_forget_raw(self._table)


cdef object _new_columns(const flush_sizes *sizes, flush_arrays *a):
    """Columns of these sizes, not filled in, and where their arrays are."""
    cdef size_t rows = sizes.rows
    ends = [np.empty(rows if wanted else 0, np.uint32) for wanted in (
        1, sizes.samples, sizes.bins, sizes.hashes, sizes.registers)]
    keys = np.empty(sizes.keys, np.uint8)
    floats = [np.empty(rows, np.float64) for _ in range(6)]
    samples = np.empty(sizes.samples, np.float64)
    weights = np.empty(sizes.samples if sizes.weighted else 0, np.float64)
    bins, bin_counts = np.empty(sizes.bins, np.int16), np.empty(sizes.bins, np.float64)
    hashes, registers = np.empty(sizes.hashes, np.uint64), np.empty(sizes.registers, np.uint8)
    ids, kinds = np.empty(rows, np.uint64), np.empty(rows, np.uint8)
    times, counts = np.empty(rows, np.int64), np.empty(rows, np.uint32)
    a.key_ends, a.keys = <uint32_t *>_at(ends[0]), <char *>_at(keys)
    a.ids, a.kinds = <uint64_t *>_at(ids), <uint8_t *>_at(kinds)
    a.times, a.counts = <int64_t *>_at(times), <uint32_t *>_at(counts)
    a.periods, a.n, a.d = <double *>_at(floats[0]), <double *>_at(floats[1]), <double *>_at(floats[2])
    a.low, a.high, a.squares = <double *>_at(floats[3]), <double *>_at(floats[4]), <double *>_at(floats[5])
    a.sample_ends = <uint32_t *>_at(ends[1]) if sizes.samples else NULL
    a.bin_ends = <uint32_t *>_at(ends[2]) if sizes.bins else NULL
    a.hash_ends = <uint32_t *>_at(ends[3]) if sizes.hashes else NULL
    a.register_ends = <uint32_t *>_at(ends[4]) if sizes.registers else NULL
    a.samples, a.weights = <double *>_at(samples), <double *>_at(weights)
    a.bins, a.bin_counts = <int16_t *>_at(bins), <double *>_at(bin_counts)
    a.hashes, a.registers = <uint64_t *>_at(hashes), <uint8_t *>_at(registers)
    return Columns(
        Ragged(ends[0], keys), ids, kinds, times, floats[0], counts, *floats[1:],
        Ragged(ends[1], samples), Ragged(ends[1] if sizes.weighted else np.empty(0, np.uint32), weights),
        Ragged(ends[2], bins), Ragged(ends[2], bin_counts),
        Ragged(ends[3], hashes), Ragged(ends[4], registers),
    )


cdef const void *_behind(list held, object array, str dtype) except? NULL:
    """Where the elements of an array are, and hold it; NULL where it has none."""
    if not len(array):
        return NULL
    whole = np.ascontiguousarray(array, dtype)
    held.append(whole)
    cdef Py_buffer view
    PyObject_GetBuffer(whole, &view, PyBUF_SIMPLE)
    cdef void *place = view.buf
    PyBuffer_Release(&view)
    return place


cdef object _see(object columns, flush_arrays *a):
    """Point at the arrays of columns to be read; they live as long as what is given back."""
    held = []
    memset(a, 0, sizeof(a[0]))
    a.key_ends = <uint32_t *>_behind(held, columns.keys.ends, "u4")
    a.keys = <char *>_behind(held, columns.keys.flat, "u1")
    a.times = <int64_t *>_behind(held, columns.times, "i8")
    a.periods = <double *>_behind(held, columns.periods, "f8")
    a.counts = <uint32_t *>_behind(held, columns.counts, "u4")
    a.n, a.d = <double *>_behind(held, columns.n, "f8"), <double *>_behind(held, columns.d, "f8")
    a.low, a.high = <double *>_behind(held, columns.low, "f8"), <double *>_behind(held, columns.high, "f8")
    a.squares = <double *>_behind(held, columns.squares, "f8")
    a.sample_ends = <uint32_t *>_behind(held, columns.samples.ends, "u4")
    a.bin_ends = <uint32_t *>_behind(held, columns.bins.ends, "u4")
    a.hash_ends = <uint32_t *>_behind(held, columns.hashes.ends, "u4")
    a.register_ends = <uint32_t *>_behind(held, columns.registers.ends, "u4")
    a.samples = <double *>_behind(held, columns.samples.flat, "f8")
    a.weights = <double *>_behind(held, columns.weights.flat, "f8")
    a.bins = <int16_t *>_behind(held, columns.bins.flat, "i2")
    a.bin_counts = <double *>_behind(held, columns.bin_counts.flat, "f8")
    a.hashes = <uint64_t *>_behind(held, columns.hashes.flat, "u8")
    a.registers = <uint8_t *>_behind(held, columns.registers.flat, "u1")
    return held


def parse_statsd(bytes block not None, dialect):
    """The samples and rejects of whole statsd lines.  Good events are in neither."""
    cdef scratch s
    cdef const char *at = block
    cdef const char *end = at + len(block)
    cdef slice text
    cdef int reason, flags = _flags(dialect)
    memset(&s, 0, sizeof(s))
    samples, rejects = [], []
    try:
        while mt_next_line(&at, end, &text):
            if mt_is_event(text.p, text.n):
                reason = WHY_OK if mt_event_is_good(text.p, text.n) else WHY_BAD_EVENT
            else:
                reason = _add_samples(samples, &s, text, flags)
            if reason:
                rejects.append(_reject(reason, text))
    finally:
        mt_scratch_free(&s)
    return samples, rejects


cdef object _reject(int reason, slice text):
    if reason == WHY_MEMORY:
        raise MemoryError
    return Reject(_REASONS[reason], <bytes>text.p[: min(text.n, <size_t>EXCERPT_BYTES)])


cdef int _add_samples(list samples, scratch *s, slice text, int flags) except -1:
    """Read one line; its samples are added only if all of it is good."""
    cdef int reason = mt_statsd_line(s, text.p, text.n, flags)
    cdef size_t g, i
    cdef item *one
    if reason:
        return reason
    found = []
    for g in range(s.line.groups):
        if not s.groups[g].count:
            continue
        reason = mt_statsd_key(s, s.groups[g].kind, flags)
        if reason:
            return reason
        name, labels, kind = parse_key(<bytes>s.key.p[: s.key.n])
        timed = s.line.timed and s.groups[g].kind in (COUNTER, GAUGE)
        for i in range(s.groups[g].count):
            one = &s.items[s.groups[g].first + i]
            if s.groups[g].kind == SET:
                value = clean(<bytes>one.member.p[: one.member.n])
            else:
                value = one.value
            found.append(Sample(
                name, labels, int(kind), value, s.groups[g].rate, s.line.time if timed else None,
                bool(one.delta) and s.groups[g].kind == GAUGE,
            ))
    samples.extend(found)
    return WHY_OK


def parse_graphite(bytes block not None, dialect):
    """The samples and rejects of whole Graphite lines; ``time`` is None where it means now."""
    cdef scratch s
    cdef const char *at = block
    cdef const char *end = at + len(block)
    cdef slice text
    cdef graphite_line read
    cdef int reason, flags = _flags(dialect)
    memset(&s, 0, sizeof(s))
    samples, rejects = [], []
    try:
        while mt_next_line(&at, end, &text):
            reason = mt_graphite_line(&read, text.p, text.n)
            if not reason:
                reason = mt_graphite_key(&s, read.path, flags)
            if reason:
                rejects.append(_reject(reason, text))
                continue
            name, labels, kind = parse_key(<bytes>s.key.p[: s.key.n])
            time = read.time_ms / 1000 if read.timed else None
            samples.append(Sample(name, labels, int(kind), read.value, 1.0, time, False))
    finally:
        mt_scratch_free(&s)
    return samples, rejects

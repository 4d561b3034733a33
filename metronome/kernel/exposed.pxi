# The page of metrics from arrays, by the C core; a part of _fast.pyx.

from metronome.kernel.copying import check_pieces
from metronome.kernel.families import PageIds, check_texts
from metronome.kernel.messages import Messages, check_metrics
from metronome.kernel.samples import check as check_samples

cdef extern from "exposed.h" nogil:
    enum:
        PAGE_IDS, E_UTF8, E_RAW

    ctypedef struct page_series:
        int counter

    ctypedef struct page_writer:
        const char *keys
        const int64_t *begins
        const int64_t *ends
        const uint8_t *counters
        size_t lines
        const int64_t *rows
        const int64_t *labels
        const int64_t *tails
        const int64_t *helps
        const uint8_t *suffixes
        const uint8_t *heads
        const double *values
        const slice *words
        int escaping, open_metrics
        buffer out

    ctypedef struct message_writer:
        const char *keys
        const char *flat
        const int64_t *begins
        const int64_t *ends
        const int64_t *body_begins
        const int64_t *body_ends
        const uint8_t *counters
        const uint8_t *heads
        size_t rows
        const int64_t *labels
        const int64_t *helps
        const slice *words
        int escaping
        buffer out
        int64_t *stops

    int mt_page_messages(message_writer *w)
    int mt_page_read(page_series *s, const char *key, size_t n, int counter)
    int mt_page_ids(page_series *s, uint64_t *ids, uint8_t *ending)
    int mt_page_write(page_writer *w)
    void mt_page_free(page_series *s)


def page_ids(texts, counters):
    """The hashes of series' keys."""
    cdef page_series series
    cdef size_t row, rows = len(texts)
    cdef int failed = 0
    held = []
    memset(&series, 0, sizeof(series))
    found = np.empty((rows, PAGE_IDS), np.uint64)
    endings = np.empty(rows, np.uint8)
    check_texts(texts, counters)
    cdef const char *keys = <const char *>_behind(held, texts.flat, "u1")
    cdef const int64_t *begins = <const int64_t *>_behind(held, texts.begins, "i8")
    cdef const int64_t *ends = <const int64_t *>_behind(held, texts.ends, "i8")
    cdef const uint8_t *of_counters = <const uint8_t *>_behind(held, counters, "u1")
    cdef uint64_t *ids = <uint64_t *>_behind(held, found, "u8")
    cdef uint8_t *ending = <uint8_t *>_behind(held, endings, "u1")
    with nogil:
        for row in range(rows):
            failed = mt_page_read(
                &series, keys + begins[row], <size_t>(ends[row] - begins[row]), of_counters[row]
            )
            if not failed:
                failed = mt_page_ids(&series, ids + row * PAGE_IDS, ending + row)
            if failed:
                break
        mt_page_free(&series)
    if failed:
        raise MemoryError
    return PageIds(found, endings)


def write_samples(samples, tuple words, escaping, bint open_metrics):
    """Lines of the page."""
    cdef page_writer w
    cdef int failed
    cdef slice *slices
    check_samples(samples, words)
    if not len(samples.rows):
        return b""
    memset(&w, 0, sizeof(w))
    held = []
    texts = samples.texts
    w.keys = <const char *>_behind(held, texts.flat, "u1")
    w.begins = <const int64_t *>_behind(held, texts.begins, "i8")
    w.ends = <const int64_t *>_behind(held, texts.ends, "i8")
    w.counters = <const uint8_t *>_behind(held, samples.counters, "u1")
    w.lines = len(samples.rows)
    w.rows = <const int64_t *>_behind(held, samples.rows, "i8")
    w.labels = <const int64_t *>_behind(held, samples.labels, "i8")
    w.tails = <const int64_t *>_behind(held, samples.tails, "i8")
    w.helps = <const int64_t *>_behind(held, samples.helps, "i8")
    w.suffixes = <const uint8_t *>_behind(held, samples.suffixes, "u1")
    w.heads = <const uint8_t *>_behind(held, samples.heads, "u1")
    w.values = <const double *>_behind(held, samples.values, "f8")
    w.escaping, w.open_metrics = escaping, open_metrics
    slices = <slice *>malloc((len(words) + 1) * sizeof(slice))
    if slices is NULL:
        raise MemoryError
    try:
        _point_at(slices, words)
        w.words = slices
        with nogil:
            failed = mt_page_write(&w)
        if failed:
            raise MemoryError
        return w.out.p[: w.out.n]
    finally:
        free(slices)
        free(w.out.p)


def copied(texts):
    """The bytes of texts, one behind the other."""
    check_pieces(texts)
    held = []
    cdef size_t row, rows = len(texts), length
    found = np.empty(int((texts.ends - texts.begins).sum()), np.uint8)
    cdef const char *flat = <const char *>_behind(held, texts.flat, "u1")
    cdef const int64_t *begins = <const int64_t *>_behind(held, texts.begins, "i8")
    cdef const int64_t *ends = <const int64_t *>_behind(held, texts.ends, "i8")
    cdef char *to = <char *>_behind(held, found, "u1")
    if to is NULL:
        return found
    with nogil:
        for row in range(rows):
            length = <size_t>(ends[row] - begins[row])
            memcpy(to, flat + begins[row], length)
            to += length
    return found


def write_messages(metrics, tuple words, escaping):
    """What is inside of the families' messages."""
    cdef message_writer w
    cdef int failed
    cdef slice *slices
    check_metrics(metrics, words)
    memset(&w, 0, sizeof(w))
    held = []
    texts, bodies = metrics.texts, metrics.bodies
    w.rows = len(texts)
    stops = np.empty(w.rows, np.int64)
    w.keys, w.flat = b"", b""
    if len(texts.flat):
        w.keys = <const char *>_behind(held, texts.flat, "u1")
    if len(bodies.flat):
        w.flat = <const char *>_behind(held, bodies.flat, "u1")
    w.begins = <const int64_t *>_behind(held, texts.begins, "i8")
    w.ends = <const int64_t *>_behind(held, texts.ends, "i8")
    w.body_begins = <const int64_t *>_behind(held, bodies.begins, "i8")
    w.body_ends = <const int64_t *>_behind(held, bodies.ends, "i8")
    w.counters = <const uint8_t *>_behind(held, metrics.counters, "u1")
    w.heads = <const uint8_t *>_behind(held, metrics.heads, "u1")
    w.labels = <const int64_t *>_behind(held, metrics.labels, "i8")
    w.helps = <const int64_t *>_behind(held, metrics.helps, "i8")
    w.stops = <int64_t *>_behind(held, stops, "i8")
    w.escaping = E_RAW if escaping == E_UTF8 else escaping
    slices = <slice *>malloc((len(words) + 1) * sizeof(slice))
    if slices is NULL:
        raise MemoryError
    try:
        _point_at(slices, words)
        w.words = slices
        with nogil:
            failed = mt_page_messages(&w)
        if failed:
            raise MemoryError
        return Messages(w.out.p[: w.out.n] if w.out.n else b"", stops)
    finally:
        free(slices)
        free(w.out.p)

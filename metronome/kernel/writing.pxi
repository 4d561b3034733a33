# Graphite's lines from arrays, by the C core; a part of _fast.pyx.

from metronome.kernel.writing import Written
from metronome.kernel.writing import check as check_writing

cdef extern from "write.h" nogil:
    enum:
        POWER_LEAST, POWER_MOST

    ctypedef struct writer:
        const char *keys
        const int64_t *begins
        const int64_t *ends
        size_t rows
        int spelling, pickled
        const slice *heads
        const slice *tails
        size_t columns
        const double *values
        const int64_t *seconds
        int one_time
        buffer out
        uint64_t lines, not_finite

    void mt_path_start()
    void mt_decimal_start(int power, uint64_t high, uint64_t low)
    int mt_write(writer *w)


def _start_decimals():
    """Work out the leading 128 bits of the powers of ten, rounded up."""
    for power in range(POWER_LEAST, POWER_MOST + 1):
        # floor(log2(10^power)), as the C core has it.
        shift = ((power * 1741647) >> 19) - 127
        above, below = 10 ** max(power, 0), 10 ** max(-power, 0)
        digits = -(-(above << max(-shift, 0)) // (below << max(shift, 0)))
        mt_decimal_start(power, digits >> 64, digits & 0xFFFFFFFFFFFFFFFF)


_start_decimals()
mt_path_start()


cdef int _point_at(slice *slices, tuple texts) except -1:
    cdef bytes text
    cdef Py_ssize_t i
    for i in range(len(texts)):
        text = texts[i]
        slices[i].p, slices[i].n = <const char *>text, len(text)
    return 0


def write_lines(texts, form, values, seconds, bint pickled=False):
    """Write the numbers of rows, row after row."""
    cdef writer w
    cdef int failed
    cdef size_t count = len(form.heads)
    cdef slice *slices
    check_writing(texts, form, values, seconds)
    memset(&w, 0, sizeof(w))
    held = []
    w.keys = b""
    if len(texts.flat):
        w.keys = <const char *>_behind(held, texts.flat, "u1")
    w.begins = <const int64_t *>_behind(held, texts.begins, "i8")
    w.ends = <const int64_t *>_behind(held, texts.ends, "i8")
    w.values = <const double *>_behind(held, values, "f8")
    w.seconds = <const int64_t *>_behind(held, seconds, "i8")
    w.rows, w.columns, w.one_time = len(texts), count, len(seconds) == 1
    w.spelling, w.pickled = form.spelling, pickled
    slices = <slice *>malloc((2 * count + 1) * sizeof(slice))
    if slices is NULL:
        raise MemoryError
    try:
        _point_at(slices, form.heads)
        _point_at(slices + count, form.tails)
        w.heads, w.tails = slices, slices + count
        with nogil:
            failed = mt_write(&w)
        if failed:
            raise MemoryError
        return Written(w.out.p[: w.out.n] if w.out.n else b"", w.lines, w.not_finite)
    finally:
        free(slices)
        free(w.out.p)

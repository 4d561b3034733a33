# A table of open addressing over arrays, by the C core; a part of _fast.pyx.

from metronome.kernel.probing import check_table

cdef extern from "probe.h" nogil:
    ctypedef struct probes:
        int32_t *slots
        size_t size, known
        const uint64_t *ids

    void mt_probe_find(const probes *t, const uint64_t *wanted, size_t n, int64_t *found)
    int mt_probe_place(const probes *t, const int64_t *numbers, size_t n)
    int mt_probe_drop(const probes *t, const int64_t *numbers, size_t n)


cdef object _table_of(probes *t, object slots, object ids, object numbers):
    """Point at a table; what it lies in lives as long as what is given back."""
    held = []
    check_table(slots, ids, numbers)
    if slots.dtype != np.int32 or not slots.flags.c_contiguous or not slots.flags.writeable:
        raise ValueError("the slots cannot be written")
    t.slots, t.size = <int32_t *>_behind(held, slots, "i4"), len(slots)
    t.ids, t.known = <const uint64_t *>_behind(held, ids, "u8"), len(ids)
    return held


def find_ids(slots, ids, wanted):
    """The number of each wanted id, -1 where it has none."""
    cdef probes t
    held = _table_of(&t, slots, ids, ())
    found = np.empty(len(wanted), np.int64)
    cdef size_t n = len(wanted)
    cdef const uint64_t *asked = <const uint64_t *>_behind(held, wanted, "u8")
    cdef int64_t *to = <int64_t *>_behind(held, found, "i8")
    with nogil:
        mt_probe_find(&t, asked, n, to)
    return found


def place_ids(slots, ids, numbers):
    """Give numbers their slots; none of their ids is there yet."""
    cdef probes t
    cdef int failed
    held = _table_of(&t, slots, ids, numbers)
    cdef size_t n = len(numbers)
    cdef const int64_t *rows = <const int64_t *>_behind(held, numbers, "i8")
    with nogil:
        failed = mt_probe_place(&t, rows, n)
    if failed:
        raise ValueError("no slot is left")


def drop_ids(slots, ids, numbers):
    """Take numbers that are there out of their slots."""
    cdef probes t
    cdef int failed
    held = _table_of(&t, slots, ids, numbers)
    cdef size_t n = len(numbers)
    cdef const int64_t *rows = <const int64_t *>_behind(held, numbers, "i8")
    with nogil:
        failed = mt_probe_drop(&t, rows, n)
    if failed:
        raise ValueError("a number has no slot")

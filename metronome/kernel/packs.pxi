# Packs as arrays and back; a part of _fast.pyx.

def pack(counts, times, values):
    """Pack so many points each, ascending in time; see packs.py."""
    cdef object sizes = np.ascontiguousarray(counts, "i8")
    cdef int64_t[::1] size = sizes
    cdef int64_t[::1] time = np.ascontiguousarray(times, "i8")
    cdef double[::1] value = np.ascontiguousarray(values, "f8")
    cdef size_t rows = len(sizes), row, at = 0, used = 0
    cdef int64_t i
    cdef moment moments[POINTS_PER_PACK]
    check_counts(sizes, len(times), len(values))
    flat = np.empty(sum(PACK_ROOM(0) + 16 * number for number in sizes.tolist()) + 1, np.uint8)
    ends = np.empty(rows, np.uint32)
    cdef uint8_t[::1] out = flat
    cdef uint32_t[::1] end = ends
    for row in range(rows):
        for i in range(size[row]):
            moments[i].time_ms = time[at]
            moments[i].n = value[at]
            at += 1
        if size[row]:
            used += mt_pack(moments, <uint32_t>size[row], <char *>&out[used])
        end[row] = <uint32_t>used
    return Ragged(ends, flat[:used].copy())


def unpack(packs):
    """The points of packs: how many each has, their times and values; see packs.py."""
    cdef object places = np.ascontiguousarray(packs.ends, "u4")
    cdef object content = np.ascontiguousarray(packs.flat, "u1")
    cdef const uint32_t[::1] end = places
    cdef const uint8_t[::1] flat = content
    cdef size_t rows = len(places), row, begin = 0, at = 0, total = 0
    cdef uint32_t count, i
    cdef moment moments[POINTS_PER_PACK]
    numbers = np.zeros(rows, np.int64)
    cdef int64_t[::1] number = numbers
    check_ends(places, len(content))
    for row in range(rows):
        if end[row] - begin >= PACK_HEAD:
            memcpy(&count, &flat[begin + 4], 4)
            number[row] = min(count, <uint32_t>POINTS_PER_PACK)
            total += number[row]
        begin = end[row]
    times, values = np.empty(total, np.int64), np.empty(total)
    cdef int64_t[::1] time = times
    cdef double[::1] value = values
    begin = 0
    for row in range(rows):
        if end[row] > begin:
            count = mt_unpack(<const char *>&flat[begin], end[row] - begin, moments)
            if not count:
                raise ValueError(f"row {row} is no pack")
            for i in range(count):
                time[at] = moments[i].time_ms
                value[at] = moments[i].n
                at += 1
        begin = end[row]
    return numbers, times, values


def spans(packs):
    """Of packs how many points each has, and the times of its first and last; see packs.py."""
    cdef object places = np.ascontiguousarray(packs.ends, "u4")
    cdef object content = np.ascontiguousarray(packs.flat, "u1")
    cdef const uint32_t[::1] end = places
    cdef const uint8_t[::1] flat = content
    cdef size_t rows = len(places), row, begin = 0
    check_ends(places, len(content))
    counts, firsts, lasts = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    cdef int64_t[::1] count = counts
    cdef int64_t[::1] first = firsts
    cdef int64_t[::1] last = lasts
    for row in range(rows):
        if end[row] > begin:
            count[row] = mt_pack_span(<const char *>&flat[begin], end[row] - begin, &first[row], &last[row])
            if not count[row]:
                raise ValueError(f"row {row} is no pack")
        begin = end[row]
    return counts, firsts, lasts

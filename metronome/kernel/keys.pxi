# Hashes of plaintext lines' keys, by the C core; a part of _fast.pyx.

from metronome.kernel.keys import Hashed

cdef extern from "keys.h" nogil:
    int mt_hash_lines(
        const char *data, size_t size, int hashing, char *room, int64_t *ends, uint64_t *hashes
    )


def hash_lines(bytes data not None, int hashing):
    """The lines of some bytes; ``ValueError`` where one has no path or no end."""
    cdef const char *text = data
    cdef size_t size = len(data)
    cdef int failed
    cdef size_t number = data.count(b"\n")
    held = []
    ends, hashes = np.empty(number, np.int64), np.empty(number, np.uint64)
    cdef int64_t *to_ends = <int64_t *>_behind(held, ends, "i8")
    cdef uint64_t *to_hashes = <uint64_t *>_behind(held, hashes, "u8")
    cdef char *room = <char *>malloc(size + 1)
    if room is NULL:
        raise MemoryError
    with nogil:
        failed = mt_hash_lines(text, size, hashing, room, to_ends, to_hashes)
    free(room)
    if failed:
        raise ValueError("a line has no path or no end")
    return Hashed(ends, hashes)

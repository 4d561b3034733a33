# Columns over memory of the C core, and the C core over columns; a part of _fast.pyx.

cdef class _Memory:
    """Memory of the C core that arrays lie in; freed with the last of them."""

    cdef char *_at
    cdef Py_ssize_t _bytes

    def __dealloc__(self):
        free(self._at)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self._at, self._bytes, 0, flags)


cdef class _Cutter:
    """Cuts arrays out of a harvest's memory."""

    cdef _Memory _memory

    cdef object array(self, const void *at, size_t count, object dtype):
        if not count:
            return np.empty(0, dtype)
        return np.frombuffer(self._memory, dtype, count, <const char *>at - self._memory._at)

    cdef object ragged(self, const uint32_t *ends, size_t rows, const void *flat, size_t count, object dtype):
        return Ragged(self.array(ends, rows if count else 0, np.uint32), self.array(flat, count, dtype))


cdef object _columns(harvest *h):
    """The columns of a harvest, whose memory they own from now on."""
    cdef _Memory memory = _Memory.__new__(_Memory)
    cdef _Cutter cut = _Cutter.__new__(_Cutter)
    cdef flush_arrays *a = &h.arrays
    cdef flush_sizes *z = &h.sizes
    cdef size_t rows = z.rows, weights = z.samples if z.weighted else 0
    memory._at, memory._bytes = h.memory, h.bytes
    cut._memory = memory
    return Columns(
        keys=cut.ragged(a.key_ends, rows, a.keys, z.keys, np.uint8),
        ids=cut.array(a.ids, rows, np.uint64),
        kinds=cut.array(a.kinds, rows, np.uint8),
        times=cut.array(a.times, rows, np.int64),
        periods=cut.array(a.periods, rows, np.float64),
        counts=cut.array(a.counts, rows, np.uint32),
        n=cut.array(a.n, rows, np.float64),
        d=cut.array(a.d, rows, np.float64),
        low=cut.array(a.low, rows, np.float64),
        high=cut.array(a.high, rows, np.float64),
        squares=cut.array(a.squares, rows, np.float64),
        samples=cut.ragged(a.sample_ends, rows, a.samples, z.samples, np.float64),
        weights=cut.ragged(a.sample_ends, rows, a.weights, weights, np.float64),
        bins=cut.ragged(a.bin_ends, rows, a.bins, z.bins, np.int16),
        bin_counts=cut.ragged(a.bin_ends, rows, a.bin_counts, z.bins, np.float64),
        hashes=cut.ragged(a.hash_ends, rows, a.hashes, z.hashes, np.uint64),
        registers=cut.ragged(a.register_ends, rows, a.registers, z.registers, np.uint8),
        packs=cut.ragged(a.pack_ends, rows, a.packs, z.packs, np.uint8),
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
    a.pack_ends = <uint32_t *>_behind(held, columns.packs.ends, "u4")
    a.packs = <char *>_behind(held, columns.packs.flat, "u1")
    return held

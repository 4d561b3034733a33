"""What the process asks of the C library's allocator.

A flush of 100,000 series passes through the process as some dozen pieces of memory of one to
sixteen megabytes.  glibc maps large pieces by themselves and unmaps them when they are freed,
but whenever one is freed it takes its size for the new border above which it does so, up to
32 MB: from then on such pieces come out of the heaps of threads, where what is freed below
something that stays is not given back.  That has cost 60 MB in a gateway that was idle again.

So the border is set, which also ends its moving.  A piece above it costs some page faults: a
tenth of a millisecond for a megabyte.  What is smaller leaves holes in the heaps; now and then those
that are a page or more are given back, some megabytes in less than a millisecond.
"""

from __future__ import annotations

import ctypes
from typing import Final

from metronome.limits import MAPPED_BYTES

_MMAP_THRESHOLD: Final = -3
"""``M_MMAP_THRESHOLD`` of glibc's ``malloc.h``."""


def give_back_large_pieces() -> bool:
    """Have pieces of ``MAPPED_BYTES`` or more given back when they are freed; False where the C
    library has no such setting."""
    library = ctypes.CDLL(None)
    try:
        mallopt = library.mallopt
    except AttributeError:
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    return bool(mallopt(_MMAP_THRESHOLD, MAPPED_BYTES))


def give_back_holes() -> bool:
    """Give back the pages in the heaps that nobody uses; False where the C library cannot, or where
    there were none."""
    library = ctypes.CDLL(None)
    try:
        malloc_trim = library.malloc_trim
    except AttributeError:
        return False
    malloc_trim.argtypes = (ctypes.c_size_t,)
    return bool(malloc_trim(0))

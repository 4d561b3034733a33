"""The native table and its pure twin, and what goes with it: see below.

The native twin is used where it was built; ``METRONOME_PURE=1`` forces the pure one.
``TWIN`` says which runs.  This file is the only one that knows.

- ``Table(series_limit=..., timer_samples=..., set_members=..., relative_gauges=..., prefix_limit=...,
  period=..., late=...)``: see ``interface.Table``.  With relative gauges, what it gives out is meant for
  another's ``merge``; ``prefix_limit`` is in ``guard.py``, ``period`` and ``late`` (seconds) in ``late.py``.
- ``hash64(data) -> int``: FNV-1a over the bytes, finished with murmur3's 64-bit mixer.
- ``parse_statsd(block, dialect) -> (samples, rejects)``, ``parse_graphite(block, dialect)``
  the same: the parser without the table, for ``metronome parse`` and the conformance tests.
- ``write_lines(texts, form, values, seconds, pickled) -> Written``: Graphite's lines, see ``writing.py``.
- ``page_ids(texts, counters) -> PageIds`` and ``write_samples(samples, words, escaping, open_metrics)
  -> bytes``: names and lines of ``/metrics``, see ``families.py`` and ``samples.py``.
- ``write_messages(metrics, words, escaping) -> Messages``: the same as protocol buffers, ``messages.py``.
- ``find_ids``, ``place_ids``, ``drop_ids``: a table from 64-bit ids to numbers, see ``probing.py``.
- ``hash_lines(data, hashing) -> Hashed``: hashes by which clusters share Graphite's lines, see ``keys.py``.
- ``copied(texts) -> bytes as an array``: texts one behind the other, see ``copying.py``.
- ``pack(counts, times, values) -> Ragged`` and ``unpack(packs) -> (counts, times, values)``: the points of
  rows in few bytes, and back; ``packs.py`` says how.
- ``is_harmless(pickle) -> bool``: whether it may be read, see ``pickles.py``.
- ``spans(packs) -> (counts, first times, last times)``: the same without taking the points apart.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or os.environ.get("METRONOME_PURE", "") not in ("", "0"):
    from metronome.kernel._pure import Table, hash64, parse_graphite, parse_statsd
    from metronome.kernel.copying import copied
    from metronome.kernel.families import page_ids
    from metronome.kernel.keys import hash_lines
    from metronome.kernel.messages import write_messages
    from metronome.kernel.packs import pack, spans, unpack
    from metronome.kernel.pickles import is_harmless
    from metronome.kernel.probing import drop_ids, find_ids, place_ids
    from metronome.kernel.samples import write_samples
    from metronome.kernel.writing import write_lines

    TWIN = "pure"
else:
    try:
        from metronome.kernel._fast import (
            Table,
            copied,
            drop_ids,
            find_ids,
            hash64,
            hash_lines,
            is_harmless,
            pack,
            page_ids,
            parse_graphite,
            parse_statsd,
            place_ids,
            spans,
            unpack,
            write_lines,
            write_messages,
            write_samples,
        )

        TWIN = "native"
    except ImportError:
        from metronome.kernel._pure import Table, hash64, parse_graphite, parse_statsd
        from metronome.kernel.copying import copied
        from metronome.kernel.families import page_ids
        from metronome.kernel.keys import hash_lines
        from metronome.kernel.messages import write_messages
        from metronome.kernel.packs import pack, spans, unpack
        from metronome.kernel.pickles import is_harmless
        from metronome.kernel.probing import drop_ids, find_ids, place_ids
        from metronome.kernel.samples import write_samples
        from metronome.kernel.writing import write_lines

        TWIN = "pure"

__all__ = [
    "TWIN",
    "Table",
    "copied",
    "drop_ids",
    "find_ids",
    "hash64",
    "hash_lines",
    "is_harmless",
    "pack",
    "page_ids",
    "parse_graphite",
    "parse_statsd",
    "place_ids",
    "spans",
    "unpack",
    "write_lines",
    "write_messages",
    "write_samples",
]

"""The page of metrics in text, written from the arrays of the board.

Who is on a page is settled when it begins, and what a series says when its turn comes: the page is
written piece by piece, each in a turn of the reactor, and flushes go on meanwhile.  So the lines of
one series belong together, but a page may begin with the sums of one flush and end with those of
the next.  A series that leaves while a page is written is left out of what is still to come, and
its name goes to nobody else on that page, because a series keeps its place on the sheet until the
last page that has begun with it is done.

What breaks the rules of OpenMetrics is left out there: negative quantiles and sums of a summary, the
sum and count of a histogram whose sum or first limit is negative.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from metronome.gateway.beside import COUNTER, GAUGE, HISTOGRAM, SUMMARY, Manner
from metronome.gateway.shown import I32, MAIN, SHOWN, Board, Sheet
from metronome.kernel import copied, write_samples
from metronome.kernel.families import SUFFIXES, quoted
from metronome.kernel.samples import NONE, Samples
from metronome.kernel.writing import Texts
from metronome.limits import METRICS_CHUNK_LINES
from metronome.model import F64, I64, U8
from metronome.wire.negotiation import Wanted

_LARGEST: Final = 1e308
"""A count beyond is shown as this: an infinite one is not whole."""
_TOTAL, _CREATED, _SUM, _COUNT, _BUCKET = range(1, len(SUFFIXES))


class _Shape(NamedTuple):
    """The lines of every series of one manner."""

    suffixes: U8
    labels: I64


class _Lines(NamedTuple):
    """Lines of some series, as arrays of one length; ``rows`` is where in the piece they are."""

    rows: I64
    suffixes: U8
    labels: I64
    values: F64
    helps: I64


class Page:
    """One page, from its first byte on."""

    def __init__(self, board: Board, form: Wanted, recent: float):
        """Quantiles from before ``recent`` are none."""
        self._board = board
        self._form = form
        self._open_metrics = form.open_metrics
        self._recent = recent
        self._words: dict[bytes, int] = {}
        self._shapes: dict[tuple[int, Manner], _Shape] = {}
        self._family = -1

    def pieces(self) -> Iterator[bytes]:
        """The page, piece by piece."""
        sheets, numbers, families = self._board.shown()
        held = [(sheet.roster, numbers[sheets == at]) for at, sheet in enumerate(self._board.sheets)]
        for roster, mine in held:
            roster.hold(mine)
        try:
            for begin, end in pairwise([0, *self._ends(families)]):
                wide = (one[begin:end].astype(np.int64) for one in (sheets, numbers, families))
                yield self._piece(*wide)
        finally:
            for roster, mine in held:
                roster.release(mine)

    def _ends(self, families: I32) -> list[int]:
        """Where pieces end that have about as many lines as can be written in one turn."""
        if not len(families):
            return []
        widest = np.zeros(HISTOGRAM + 1, np.int32)
        for sheet in self._board.sheets:
            for manner in sheet.manners:
                widest[manner.type] = max(widest[manner.type], manner.width + 2)
        lines = np.cumsum(widest[self._board.families.types[families]])
        marks = np.arange(METRICS_CHUNK_LINES, lines[-1], METRICS_CHUNK_LINES)
        ends: list[int] = np.unique(np.append(np.searchsorted(lines, marks) + 1, len(families))).tolist()
        return ends

    def _piece(self, sheets: I64, numbers: I64, families: I64) -> bytes:
        """The lines of series that are still where they were."""
        there = np.zeros(len(sheets), np.bool_)
        codes = np.zeros(len(sheets), np.int64)
        for at in np.unique(sheets).tolist():
            sheet, mine = self._board.sheets[at], np.flatnonzero(sheets == at)
            there[mine] = sheet.state[numbers[mine]] == families[mine] + SHOWN
            codes[mine] = (at << 16) + sheet.manner(numbers[mine])
        if not there.all():
            sheets, numbers, families, codes = (one[there] for one in (sheets, numbers, families, codes))
        if not len(sheets):
            return b""
        lines = [
            self._of_manner(code, np.flatnonzero(codes == code), numbers)
            for code in np.unique(codes).tolist()
        ]
        joined: list[Any] = [np.concatenate(column) for column in zip(*lines, strict=True)]
        if len(lines) > 1:
            order = np.argsort(joined[0], kind="stable")
            joined = [column[order] for column in joined]
        return self._written(_Lines(*joined), self._texts(sheets, numbers), families)

    def _texts(self, sheets: I64, numbers: I64) -> Texts:
        """The keys of series of any sheets."""
        first = self._board.sheets[int(sheets[0])]
        if (sheets == sheets[0]).all():
            return first.roster.texts(numbers)
        begins = np.zeros(len(sheets), np.int64)
        ends = np.zeros(len(sheets), np.int64)
        flats, end = [], 0
        for at in np.unique(sheets).tolist():
            mine = np.flatnonzero(sheets == at)
            texts = self._board.sheets[at].roster.texts(numbers[mine])
            lengths = texts.ends - texts.begins
            ends[mine] = end + np.cumsum(lengths)
            begins[mine] = ends[mine] - lengths
            flats.append(copied(texts))
            end += len(flats[-1])
        return Texts(np.concatenate(flats), begins, ends)

    def _written(self, lines: _Lines, texts: Texts, families: I64) -> bytes:
        of_lines = families[lines.rows]
        begins = np.ones(len(of_lines), np.bool_)
        begins[1:] = of_lines[1:] != of_lines[:-1]
        begins[0] = of_lines[0] != self._family
        self._family = int(of_lines[-1])
        types = self._board.families.types[families]
        samples = Samples(
            texts,
            (types == COUNTER).astype(np.uint8),
            lines.rows,
            lines.suffixes,
            lines.labels,
            lines.values,
            np.full(len(of_lines), NONE),
            np.where(begins, types[lines.rows] + 1, 0).astype(np.uint8),
            lines.helps,
        )
        return write_samples(samples, tuple(self._words), self._form.escaping, self._open_metrics)

    # --- one manner ----------------------------------------------------------------------

    def _of_manner(self, code: int, rows: I64, numbers: I64) -> _Lines:
        """The lines of series of one sheet that are shown alike."""
        sheet = self._board.sheets[code >> 16]
        manner = sheet.manners[code & 0xFFFF]
        values, wanted = self._values(sheet, manner, code & 0xFFFF, numbers[rows])
        place = (code >> 16, manner)
        shape = self._shapes.get(place) or self._shaped(sheet, manner)
        self._shapes[place] = shape
        kept = np.flatnonzero(wanted.ravel())
        width = len(shape.suffixes)
        meaning = self._word(manner.meaning.encode()) if manner.meaning else NONE
        return _Lines(
            np.repeat(rows, width)[kept],
            np.tile(shape.suffixes, len(rows))[kept],
            np.tile(shape.labels, len(rows))[kept],
            values.ravel()[kept],
            np.full(len(kept), meaning),
        )

    def _values(
        self, sheet: Sheet, manner: Manner, number: int, numbers: I64
    ) -> tuple[F64, npt.NDArray[np.bool_]]:
        """The numbers of each series in a row, and which of them may be shown."""
        n = sheet.n[numbers][:, None]
        born = [sheet.born[numbers].astype(np.float64)[:, None]] if self._open_metrics else []
        if manner.type in (COUNTER, GAUGE):
            values = np.hstack([n, *born]) if manner.type == COUNTER else n
            return values, np.ones(values.shape, np.bool_)
        array, places = sheet.beside(numbers, number)
        beside = array[places]
        if manner.type == SUMMARY:
            recent = sheet.seen[numbers][:, None] >= self._recent - manner.older
            quantiles = np.where(recent, beside[:, 1:], math.nan)
            values = np.hstack([quantiles, n, _whole(beside[:, :1]), *born])
            wanted = np.ones(values.shape, np.bool_)
            if self._open_metrics:
                last = quantiles.shape[1] + 1
                wanted[:, :last] = ~(values[:, :last] < 0)
            return values, wanted
        counts = _whole(np.cumsum(beside, axis=1))
        values = np.hstack([counts, n, counts[:, -1:], *born])
        wanted = np.ones(values.shape, np.bool_)
        if self._open_metrics:
            summed = slice(counts.shape[1], counts.shape[1] + 2)
            wanted[:, summed] = (n >= 0) & (manner.buckets[0] >= 0)
        return values, wanted

    def _shaped(self, sheet: Sheet, manner: Manner) -> _Shape:
        """Suffix and further labels of each of the numbers."""
        created = [(_CREATED, "")] if self._open_metrics else []
        if manner.type == GAUGE:
            lines = [(0, "")]
        elif manner.type == COUNTER:
            lines = [(_TOTAL, ""), *created]
        elif manner.type == SUMMARY:
            quantiles = [(0, f'quantile="{quantile:.10g}"') for quantile in manner.quantiles]
            lines = [*quantiles, (_SUM, ""), (_COUNT, ""), *created]
        else:
            # The same text in every form, or one bucket would be two series to Prometheus.
            limits = [*(repr(float(limit)) for limit in manner.buckets), "+Inf"]
            buckets = [(_BUCKET, f'le="{limit}"') for limit in limits]
            lines = [*buckets, (_SUM, ""), (_COUNT, ""), *created]
        stream = [] if sheet.stream == MAIN else [f'stream="{quoted(sheet.stream)}"']
        words = [",".join([*stream, *([label] if label else [])]) for _, label in lines]
        return _Shape(
            np.array([suffix for suffix, _ in lines], np.uint8),
            np.array([self._word(word.encode()) if word else NONE for word in words], np.int64),
        )

    def _word(self, word: bytes) -> int:
        return self._words.setdefault(word, len(self._words))


def _whole(counts: F64) -> F64:
    return np.asarray(np.round(np.minimum(counts, _LARGEST)), np.float64)

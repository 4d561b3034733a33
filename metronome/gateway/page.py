"""A page of metrics, made of the arrays of the board: who is on it, and in which pieces it is written.

Who is on a page is settled when it begins, and what a series says when its turn comes: the page is
written piece by piece, each in a turn of the reactor, and flushes go on meanwhile.  So the lines of
one series belong together, but a page may begin with the sums of one flush and end with those of
the next.  A series that leaves while a page is written is left out of what is still to come, and
its name goes to nobody else on that page, because a series keeps its place on the sheet until the
last page that has begun with it is done.

A family is one by its name with underscores.  Where a client is told names as they were sent, one of
several spellings (``a.b`` and ``a-b``) is several families, one behind the other.

How it is written stands in ``page_text.py`` and ``page_messages.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from metronome.gateway.beside import COUNTER, HISTOGRAM, Manner
from metronome.gateway.exemplars import Exemplars
from metronome.gateway.shown import I32, SHOWN, U16, Board, Sheet
from metronome.kernel import copied
from metronome.kernel.families import Escaping
from metronome.kernel.writing import Texts
from metronome.limits import METRICS_CHUNK_LINES
from metronome.model import F64, I64, U8
from metronome.wire.negotiation import Wanted
from metronome.wire.prometheus_protobuf import Exemplar

_LARGEST: Final = 1e308
"""A count beyond is shown as this: an infinite one is not whole."""
_MANNER_BITS: Final = 16


class Piece(NamedTuple):
    """Some series of the page, by family: arrays of one length."""

    sheets: I64
    numbers: I64
    families: I64
    names: I64
    """Equal ones stand under one name: the family's number, or another where it has several spellings."""
    manners: I64
    """With the number of their sheet: two of different sheets are never equal."""

    def parts(self) -> Iterator[tuple[int, int, I64]]:
        """Sheet and manner of those that are shown alike, and where they are."""
        for code in np.unique(self.manners).tolist():
            yield code >> _MANNER_BITS, code % (1 << _MANNER_BITS), np.flatnonzero(self.manners == code)


class Page(ABC):
    """One page, from its first byte on."""

    def __init__(self, board: Board, form: Wanted, recent: float, exemplars: Exemplars):
        """Quantiles from before ``recent`` are none."""
        self._board = board
        self._form = form
        self._recent = recent
        self._exemplars = exemplars
        self._words: dict[bytes, int] = {}
        self._name = -1
        self._of_sheets: list[Mapping[int, Exemplar]] = []

    def pieces(self) -> Iterator[bytes]:
        """The page, piece by piece; an empty one says that more takes its time."""
        sheets, numbers, families = self._board.shown()
        names = self._spelled(sheets, numbers, families)
        held = [(sheet.roster, numbers[sheets == at]) for at, sheet in enumerate(self._board.sheets)]
        self._of_sheets = [self._exemplars.of(sheet) for sheet in self._board.sheets]
        for roster, mine in held:
            roster.hold(mine)
        try:
            for begin, end in pairwise([0, *self._ends(families)]):
                columns = (sheets, numbers, families, names)
                piece = self._there(*(one[begin:end].astype(np.int64) for one in columns))
                yield self._written(piece) if len(piece.sheets) else b""
            yield self._rest()
        finally:
            for roster, mine in held:
                roster.release(mine)

    @abstractmethod
    def _written(self, piece: Piece) -> bytes:
        """What is to be sent now."""

    def _rest(self) -> bytes:
        """What is to be sent behind the last piece."""
        return b""

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

    def _spelled(self, sheets: U16, numbers: I32, families: I32) -> I32:
        """Order series of families with several spellings by these; what names they stand under."""
        mixed = self._board.families.mixed[families]
        if self._form.escaping is Escaping.UNDERSCORES or not mixed.any():
            return families
        rows = np.flatnonzero(mixed)
        spellings = self._board.spellings(sheets[rows], numbers[rows])
        order = np.lexsort((spellings, families[rows]))
        sheets[rows], numbers[rows] = sheets[rows[order]], numbers[rows[order]]
        begins = np.ones(len(rows), np.bool_)
        begins[1:] = (np.diff(spellings[order]) != 0) | (np.diff(families[rows]) != 0)
        names = families.copy()
        names[rows] = len(self._board.families.types) + np.cumsum(begins)
        return names

    def _there(self, sheets: I64, numbers: I64, families: I64, names: I64) -> Piece:
        """Those of the series that are still where they were."""
        there = np.zeros(len(sheets), np.bool_)
        manners = np.zeros(len(sheets), np.int64)
        for at in np.unique(sheets).tolist():
            sheet, mine = self._board.sheets[at], np.flatnonzero(sheets == at)
            there[mine] = sheet.state[numbers[mine]] == families[mine] + SHOWN
            manners[mine] = (at << _MANNER_BITS) + sheet.manner(numbers[mine])
        if there.all():
            return Piece(sheets, numbers, families, names, manners)
        return Piece(sheets[there], numbers[there], families[there], names[there], manners[there])

    # --- for who writes ------------------------------------------------------------------

    def _texts(self, piece: Piece) -> Texts:
        """The keys of series of any sheets."""
        sheets, numbers = piece.sheets, piece.numbers
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

    def _types(self, piece: Piece) -> tuple[U8, U8]:
        """Of each series its type, and whether it is a counter."""
        types = self._board.families.types[piece.families]
        return types, (types == COUNTER).astype(np.uint8)

    def _heads(self, names: I64, types: U8) -> U8:
        """Where families begin, and of which type (from 1) they are."""
        begins = np.ones(len(names), np.bool_)
        begins[1:] = names[1:] != names[:-1]
        begins[0] = names[0] != self._name
        self._name = int(names[-1])
        return np.where(begins, types + 1, 0).astype(np.uint8)

    def _quantiles(self, sheet: Sheet, manner: Manner, numbers: I64, beside: F64) -> F64:
        """Those of each series in a row; none from long ago."""
        recent = sheet.seen[numbers][:, None] >= self._recent - manner.older
        return np.where(recent, beside[:, 1:], np.nan)

    def _with_exemplars(self, sheet: int, numbers: I64) -> list[tuple[int, Exemplar]]:
        """Which of these series have an exemplar."""
        known = self._of_sheets[sheet]
        if not known:
            return []
        there = np.flatnonzero(np.isin(numbers, list(known)))
        return [
            (row, known[number]) for row, number in zip(there.tolist(), numbers[there].tolist(), strict=True)
        ]

    def _word(self, word: bytes) -> int:
        return self._words.setdefault(word, len(self._words))


def whole(counts: F64) -> F64:
    """Counts as they are told."""
    return np.asarray(np.round(np.minimum(counts, _LARGEST)), np.float64)

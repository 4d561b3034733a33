"""A board with series on it, and what the page says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metronome.fold.columns import no_rows
from metronome.fold.roster import Roster
from metronome.gateway.beside import PLAIN, Manner
from metronome.gateway.exemplars import Exemplars
from metronome.gateway.page import Page
from metronome.gateway.page_messages import MessagePage
from metronome.gateway.page_text import TextPage
from metronome.gateway.shown import MAIN, Board, Sheet
from metronome.kernel import hash64
from metronome.kernel.writing import joined
from metronome.model import I64, Columns, Kind, Ragged, Series, canonical_labels, series_key
from metronome.wire.negotiation import Form, Wanted


def key(name: str, kind: Kind = Kind.GAUGE, **labels: str) -> bytes:
    return series_key(Series(name, canonical_labels(labels), kind))


def rows_of(keys: Sequence[bytes]) -> Columns:
    """Rows that say nothing but which series they are."""
    texts = joined(keys)
    ids = np.array([hash64(one) for one in keys], np.uint64)
    return replace(no_rows(), keys=Ragged(texts.ends.astype(np.uint32), texts.flat), ids=ids)


class Shown:
    """A board and its sheets."""

    def __init__(self, own: Sequence[tuple[str, str]] = ()):
        self.board = Board(own)
        self.sheets: dict[str, Sheet] = {}
        self.exemplars = Exemplars()

    def sheet(self, stream: str = MAIN, manners: tuple[Manner, ...] = PLAIN) -> Sheet:
        if stream not in self.sheets:
            self.sheets[stream] = self.board.add(Roster(), stream, manners)
        return self.sheets[stream]

    def hear(self, keys: Sequence[bytes], now: float = 1.0, stream: str = MAIN) -> tuple[I64, int]:
        """Their numbers, and how many of them are new and have to wait."""
        numbers, _ = self.sheet(stream).numbers(rows_of(keys), now, now)
        return numbers, self.board.hear(self.sheet(stream), numbers, now)

    def put(self, one: bytes, n: float, now: float = 1.0, stream: str = MAIN) -> int:
        """Hear of a series, and what its value is; its number."""
        numbers, _ = self.hear([one], now, stream)
        self.sheet(stream).n[numbers] = n
        return int(numbers[0])

    def begin(self, recent: float = 0.0, wanted: Wanted = Wanted()) -> Page:  # noqa: B008
        """A page, not written yet."""
        kind = MessagePage if wanted.form is Form.PROTOBUF else TextPage
        return kind(self.board, wanted, recent, self.exemplars)

    def page(self, recent: float = 0.0, wanted: Wanted = Wanted()) -> str:  # noqa: B008
        return b"".join(self.begin(recent, wanted).pieces()).decode()

    def lines(self, recent: float = 0.0, form: Form = Form.TEXT) -> list[str]:
        """The samples on the page."""
        return [line for line in self.page(recent, Wanted(form)).splitlines() if not line.startswith("#")]

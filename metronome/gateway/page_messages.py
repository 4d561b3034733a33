"""The page of metrics as protocol buffers: a message for each family, behind its length.

A length stands before what it counts, so a family is sent when the last of its series is written.
Timers that have native buckets are native histograms here, with their classic buckets beside.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from metronome.gateway.beside import COUNTER, GAUGE, SUMMARY, Manner
from metronome.gateway.exemplars import Exemplars
from metronome.gateway.natives import native_of
from metronome.gateway.page import Page, Piece, whole
from metronome.gateway.shown import MAIN, Board, Sheet
from metronome.kernel import write_messages
from metronome.kernel.messages import Metrics
from metronome.kernel.samples import NONE
from metronome.kernel.writing import Texts, joined
from metronome.model import F64, I64, U8
from metronome.wire import prometheus_protobuf as bodies
from metronome.wire import protobuf
from metronome.wire.negotiation import Wanted


class MessagePage(Page):
    """``io.prometheus.client.MetricFamily``, delimited."""

    def __init__(self, board: Board, form: Wanted, recent: float, exemplars: Exemplars):
        super().__init__(board, form, recent, exemplars)
        self._open: list[bytes] = []
        """What there is of the family that is not complete."""

    def _written(self, piece: Piece) -> bytes:
        types, counters = self._types(piece)
        heads = self._heads(piece.names, types)
        labels = np.full(len(types), NONE)
        helps = np.full(len(types), NONE)
        flats: list[U8] = []
        begins, ends = np.zeros(len(types), np.int64), np.zeros(len(types), np.int64)
        end = 0
        for at, manner_number, rows in piece.parts():
            sheet = self._board.sheets[at]
            manner = sheet.manners[manner_number]
            if sheet.stream != MAIN:
                labels[rows] = self._word(bodies.pair("stream", sheet.stream))
            if manner.meaning:
                helps[rows] = self._word(manner.meaning.encode())
            texts = self._bodies(at, sheet, manner_number, piece.numbers[rows])
            begins[rows], ends[rows] = end + texts.begins, end + texts.ends
            flats.append(texts.flat)
            end += len(texts.flat)
        found = Texts(np.concatenate(flats), begins, ends)
        metrics = Metrics(self._texts(piece), counters, labels, found, heads, helps)
        data, stops = write_messages(metrics, tuple(self._words), self._form.escaping)
        return self._families(data, stops, np.flatnonzero(heads))

    def _families(self, data: bytes, stops: I64, heads: npt.NDArray[np.intp]) -> bytes:
        """What is complete; the last family waits for more of it."""
        starts = np.concatenate((np.zeros(1, np.int64), stops))[heads].tolist()
        if not starts:
            self._open.append(data)
            return b""
        self._open.append(data[: starts[0]])
        done = [self._rest()]
        done += [protobuf.delimited(data[begin:end]) for begin, end in pairwise(starts)]
        self._open.append(data[starts[-1] :])
        return b"".join(done)

    def _rest(self) -> bytes:
        pieces, self._open = self._open, []
        return protobuf.delimited(b"".join(pieces)) if any(pieces) else b""

    def _bodies(self, at: int, sheet: Sheet, manner_number: int, numbers: I64) -> Texts:
        """The values of series of one sheet that are shown alike."""
        manner, n = sheet.manners[manner_number], sheet.n[numbers]
        born = sheet.born[numbers].astype(np.float64)
        if manner.type == GAUGE:
            return _rows(bodies.gauges(n))
        if manner.type == COUNTER:
            found = _rows(bodies.counters(n, born))
            exemplars = self._with_exemplars(at, numbers)
            return _replaced(found, {row: bodies.counter(n[row], born[row], one) for row, one in exemplars})
        array, places = sheet.beside(numbers, manner_number)
        beside = array[places]
        if manner.type == SUMMARY:
            quantiles = self._quantiles(sheet, manner, numbers, beside)
            return _rows(bodies.summaries(manner.quantiles, quantiles, whole(beside[:, 0]), n, born))
        return joined(self._histograms(at, manner, numbers, whole(np.cumsum(beside, axis=1)), n, born))

    def _histograms(
        self, at: int, manner: Manner, numbers: I64, counts: F64, sums: F64, born: F64
    ) -> list[bytes]:
        exemplars = dict(self._with_exemplars(at, numbers))
        found = []
        natives = self._board.sheets[at].spread.of(numbers) if manner.native else None
        for row in range(len(numbers)):
            native = None if natives is None else _native(manner, row, *natives)
            own = (exemplars[row],) if row in exemplars else ()
            found.append(
                bodies.histogram(manner.buckets, counts[row], float(sums[row]), float(born[row]), native, own)
            )
        return found


def _native(manner: Manner, row: int, rows: I64, codes: I64, counts: F64) -> bodies.Native:
    """The native buckets of one series."""
    begin, end = np.searchsorted(rows, [row, row + 1])
    return native_of(manner.schema, manner.most, codes[begin:end], counts[begin:end])


def _rows(rows: U8) -> Texts:
    """Rows of bytes of one length."""
    ends = np.arange(1, len(rows) + 1, dtype=np.int64) * rows.shape[1]
    return Texts(rows.ravel(), ends - rows.shape[1], ends)


def _replaced(texts: Texts, others: dict[int, bytes]) -> Texts:
    """The same, but for some."""
    if not others:
        return texts
    flat, begins, ends = texts
    more = joined(list(others.values()))
    rows = list(others)
    begins[rows], ends[rows] = more.begins + len(flat), more.ends + len(flat)
    return Texts(np.concatenate((flat, more.flat)), begins, ends)

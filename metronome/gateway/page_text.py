"""The page of metrics in text.

What breaks the rules of OpenMetrics is left out there: negative quantiles and sums of a summary, the
sum and count of a histogram whose sum or first limit is negative.  Exemplars stand in OpenMetrics
only, behind a counter's value and behind the bucket of a histogram that theirs is in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metronome.gateway.beside import COUNTER, GAUGE, HISTOGRAM, SUMMARY, Manner
from metronome.gateway.page import Page, Piece, whole
from metronome.gateway.shown import MAIN, Sheet
from metronome.kernel import write_samples
from metronome.kernel.families import SUFFIXES, quoted
from metronome.kernel.samples import NONE, Samples, value_text
from metronome.model import F64, I64, U8
from metronome.wire.prometheus_protobuf import Exemplar

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
    tails: I64
    helps: I64


class TextPage(Page):
    """Text or OpenMetrics."""

    def _written(self, piece: Piece) -> bytes:
        lines = [self._of_manner(*part, piece.numbers) for part in piece.parts()]
        joined: list[Any] = [np.concatenate(column) for column in zip(*lines, strict=True)]
        if len(lines) > 1:
            order = np.argsort(joined[0], kind="stable")
            joined = [column[order] for column in joined]
        found = _Lines(*joined)
        types, counters = self._types(piece)
        samples = Samples(
            self._texts(piece),
            counters,
            found.rows,
            found.suffixes,
            found.labels,
            found.values,
            found.tails,
            self._heads(piece.names[found.rows], types[found.rows]),
            found.helps,
        )
        return write_samples(samples, tuple(self._words), self._form.escaping, self._form.open_metrics)

    def _of_manner(self, at: int, manner_number: int, rows: I64, numbers: I64) -> _Lines:
        """The lines of series of one sheet that are shown alike."""
        sheet, numbers = self._board.sheets[at], numbers[rows]
        manner = sheet.manners[manner_number]
        values, wanted = self._values(sheet, manner, manner_number, numbers)
        shape = self._shaped(sheet, manner)
        width = len(shape.suffixes)
        tails = np.full(values.shape, NONE)
        if self._form.open_metrics:
            self._add_tails(tails, at, manner, numbers)
        kept = np.flatnonzero(wanted.ravel())
        meaning = self._word(manner.meaning.encode()) if manner.meaning else NONE
        return _Lines(
            np.repeat(rows, width)[kept],
            np.tile(shape.suffixes, len(rows))[kept],
            np.tile(shape.labels, len(rows))[kept],
            values.ravel()[kept],
            tails.ravel()[kept],
            np.full(len(kept), meaning),
        )

    def _add_tails(self, tails: I64, sheet: int, manner: Manner, numbers: I64) -> None:
        """Put exemplars behind the values that may have one."""
        if manner.type not in (COUNTER, HISTOGRAM):
            return
        for row, one in self._with_exemplars(sheet, numbers):
            tails[row, int(np.searchsorted(manner.buckets, one.value))] = self._word(_tail(one))

    def _values(
        self, sheet: Sheet, manner: Manner, number: int, numbers: I64
    ) -> tuple[F64, npt.NDArray[np.bool_]]:
        """The numbers of each series in a row, and which of them may be shown."""
        n = sheet.n[numbers][:, None]
        born = [sheet.born[numbers].astype(np.float64)[:, None]] if self._form.open_metrics else []
        if manner.type in (COUNTER, GAUGE):
            values = np.hstack([n, *born]) if manner.type == COUNTER else n
            return values, np.ones(values.shape, np.bool_)
        array, places = sheet.beside(numbers, number)
        beside = array[places]
        if manner.type == SUMMARY:
            quantiles = self._quantiles(sheet, manner, numbers, beside)
            values = np.hstack([quantiles, n, whole(beside[:, :1]), *born])
            wanted = np.ones(values.shape, np.bool_)
            if self._form.open_metrics:
                last = quantiles.shape[1] + 1
                wanted[:, :last] = ~(values[:, :last] < 0)
            return values, wanted
        counts = whole(np.cumsum(beside, axis=1))
        values = np.hstack([counts, n, counts[:, -1:], *born])
        wanted = np.ones(values.shape, np.bool_)
        if self._form.open_metrics:
            summed = slice(counts.shape[1], counts.shape[1] + 2)
            wanted[:, summed] = (n >= 0) & (manner.buckets[0] >= 0)
        return values, wanted

    def _shaped(self, sheet: Sheet, manner: Manner) -> _Shape:
        """Suffix and further labels of each of the numbers."""
        created = [(_CREATED, "")] if self._form.open_metrics else []
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


def _tail(one: Exemplar) -> bytes:
    labels = ",".join([f'{name}="{quoted(value)}"' for name, value in one.labels])
    return f" # {{{labels}}} {value_text(one.value)} {value_text(one.time)}".encode()

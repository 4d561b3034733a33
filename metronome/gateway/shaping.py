"""Shows series on ``/metrics`` as mapping rules want them (``fold/shapes.py``).

The rules are asked once for each series, when it is first heard of and again when there are other
rules.  What a series has counted stays, unless its type on the page changes: then it begins anew.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from metronome.fold.index import grown
from metronome.fold.native import schema_of
from metronome.fold.shapes import Shape, Shapes
from metronome.gateway.beside import HISTOGRAM, PLAIN, SUMMARY, Manner
from metronome.gateway.shown import TYPE_OF_KIND, Sheet
from metronome.model import I64, parse_key


class Shaping:
    """The manners of the series of one sheet."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._shapes: Shapes | None = None
        self._asked: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._numbers: dict[Manner, int] = {manner: number for number, manner in enumerate(PLAIN)}

    def use(self, shapes: Shapes | None) -> None:
        """Go by these rules as soon as a series is heard of again."""
        self._shapes = shapes
        self._asked = np.zeros(0, np.bool_)

    def ask(self, numbers: I64, new: I64) -> I64:
        """Say how series are shown; those that have to begin anew, because they were shown otherwise."""
        if self._shapes is None and not self._sheet.has_manners:
            return new[:0]
        sheet = self._sheet
        if len(self._asked) < len(sheet.state):
            self._asked = grown(self._asked, len(sheet.state))
        if not sheet.has_manners:
            sheet.of_manner(np.flatnonzero(sheet.state), None)
        self._asked[new] = False
        some = np.unique(numbers[~self._asked[numbers]])
        self._asked[some] = True
        found = np.array([self._of(number) for number in some.tolist()], np.int64)
        fresh = np.isin(some, new)
        sheet.of_manner(some[fresh], found[fresh])
        return self._change(some[~fresh], found[~fresh])

    def _of(self, number: int) -> int:
        """The number of a series' manner."""
        series = parse_key(self._sheet.roster.key(number))
        shape = None if self._shapes is None else self._shapes.of(series)
        manner = _manner(shape, int(TYPE_OF_KIND[series.kind]))
        if manner not in self._numbers:
            self._numbers[manner] = len(self._sheet.manners)
            self._sheet.manners.append(manner)
        return self._numbers[manner]

    def _change(self, numbers: I64, manners: I64) -> I64:
        """Show known series otherwise; those whose type is another are given back."""
        sheet = self._sheet
        before = sheet.manner(numbers)
        others = np.flatnonzero(before != manners)
        types = np.array([manner.type for manner in sheet.manners])
        stays = others[types[before[others]] == types[manners[others]]]
        for row in stays.tolist():
            _change(sheet, int(numbers[row]), int(manners[row]))
        gone: I64 = numbers[np.setdiff1d(others, stays)]
        return gone


def _change(sheet: Sheet, number: int, manner: int) -> None:
    """Show a series otherwise, in the same type.  Buckets that are others begin anew, with their sum."""
    one = np.array([number])
    before = int(sheet.manner(one)[0])
    old, new, n = sheet.manners[before], sheet.manners[manner], sheet.n[number]
    beside, native = np.zeros(0), sheet.spread.of(one)
    if old.width:
        values, rows = sheet.beside(one, before)
        beside = values[rows[0]].copy()
    sheet.clear(one)
    sheet.of_manner(one, manner)
    if old.type == HISTOGRAM and (old.buckets, old.schema) != (new.buckets, new.schema):
        return
    sheet.spread.add(number + native[0], *native[1:])
    sheet.n[number] = n
    if new.width:
        values, rows = sheet.beside(one, manner)
        if old.type == SUMMARY and old.quantiles != new.quantiles:
            values[rows[0], 0], values[rows[0], 1:] = beside[0], math.nan
        else:
            values[rows[0]] = beside


def _manner(shape: Shape | None, kind: int) -> Manner:
    """How a series of a type is shown."""
    if shape is None:
        return PLAIN[kind]
    if shape.histogram is not None:
        histogram = shape.histogram
        schema, most = (
            schema_of(histogram.native_histogram_bucket_factor),
            histogram.native_histogram_max_buckets,
        )
        return Manner(HISTOGRAM, shape.help, (), histogram.buckets, schema, most, shape.ttl)
    if shape.summary is None:
        return PLAIN[kind]._replace(meaning=shape.help, ttl=shape.ttl)
    options = shape.summary
    return Manner(
        SUMMARY,
        shape.help,
        tuple(objective.quantile for objective in options.quantiles),
        ttl=shape.ttl,
        ages=options.age_buckets or 5 if options.max_age else 0,
        max_age=options.max_age,
        older=math.inf if options.max_age else 0.0,
    )

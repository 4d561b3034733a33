"""Selections answered in SQL: DuckDB folds the parts, the algebra gets what is left.

The parts of one series and step come together first (a gauge keeps its latest value), then
the series of one group.  Both happen in SQL for numbers, by bin for sketches, by hash and by
register for sets; packs are taken apart for it (``duckdb_packs.py``).  What SQL hands back are
the cells of ``fold.cells``, which makes the answer of them, so a store and the fold cannot differ
in what an answer looks like.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from metronome.errors import ClientError
from metronome.fold import distinct, sketch
from metronome.fold.cells import Cells, Header, folded_of
from metronome.limits import BINS_PER_ANSWER, POINTS_PER_ANSWER, SERIES_PER_ANSWER
from metronome.model import F64, I64, U8, Folded, Found, Kind, Selection, parse_key
from metronome.store.duckdb_events import matching
from metronome.store.duckdb_file import Arrays, Connection, tables
from metronome.store.duckdb_packs import CHOSEN, read, stepped

_PARTS: Final = """
FROM parts JOIN chosen USING (sid)
WHERE parts.stream = $stream AND time >= $start AND time < $end AND step <= $most_step"""
_WITH_PACKS: Final = f"""
FROM (SELECT {{columns}} {_PARTS} UNION ALL SELECT {{columns}} FROM stepped JOIN chosen USING (sid))"""
_GAUGE_COLUMNS: Final = (
    "sid, kind, owner, time, n, 1.0 AS d, low, high, count, squares, period, gateway, position"
)

_ANY_STEP: Final = (1 << 31) - 1
_LATEST: Final = "arg_max(n, row(time, list_extract($ranks, gateway + 1), position))"
_ADDING: Final = ("sum(n)", "sum(d)")
_N_AND_D: Final = {
    Kind.COUNTER: _ADDING,
    Kind.TIMER: _ADDING,
    Kind.GAUGE: (_LATEST, "1.0"),
    # The greatest, where there are no members to unite.
    Kind.SET: ("max(n)", "1.0"),
}
_FOLD: Final = """
SELECT {owner}, {moment} AS moment, {n} AS n, {d} AS d, sum(count)::DOUBLE AS counts,
       {sources}::DOUBLE AS sources, min(coalesce(low, n)) AS low, max(coalesce(high, n)) AS high,
       sum(squares) AS squares, max(period) AS period
{rows} GROUP BY {owner}, {moment}
"""


def _fold(kind: Kind, moment: str, apart: bool, packed: bool) -> str:
    """SQL that folds the parts of each owner and moment.

    Gauges of a group take two turns: the latest of each series, then the sum of those.
    ``apart`` says that every owner is one series, ``packed`` that there is a table ``stepped``.
    """
    n, d = _N_AND_D[kind]
    rows = f"{_PARTS} AND kind = {int(kind)}"
    if packed:
        rows = f"{_WITH_PACKS.format(columns=_GAUGE_COLUMNS)} WHERE kind = {int(kind)}"
    turn = {"owner": "owner", "moment": moment, "n": n, "d": d, "rows": rows}
    if apart:
        return _FOLD.format(sources="1", **turn)
    if kind is not Kind.GAUGE:
        return _FOLD.format(sources="count(DISTINCT sid)", **turn)
    series = _FOLD.format(sources="1", **{**turn, "owner": "owner, sid"})
    latest = f"FROM (SELECT * RENAME (moment AS time, counts AS count) FROM ({series}))"
    again = {"moment": "time", "n": "sum(n)", "rows": latest}
    return _FOLD.format(sources="count(*)", **{**turn, **again})


class Bounds(NamedTuple):
    """What an answer may hold at most; beyond that it is refused as too expensive."""

    series: int = SERIES_PER_ANSWER
    points: int = POINTS_PER_ANSWER
    bins: int = BINS_PER_ANSWER
    """Of sketches, and as many members of sets."""


BOUNDS: Final = Bounds()


class Question(NamedTuple):
    """A fetch with its names made numbers; ``ranks`` order the gateways by name."""

    stream: int
    selection: Selection
    step: int
    by: tuple[str, ...] | None
    ranks: list[int]
    bounds: Bounds
    most_step: int = _ANY_STEP
    """Leave out parts that were merged further than into steps of so many seconds."""

    @property
    def moment(self) -> str:
        """SQL for the start of the step that a part is in."""
        return f"(time // {self.step}) * {self.step}" if self.step else "time"

    @property
    def values(self) -> dict[str, Any]:
        """What the SQL's parameters are."""
        start, end = self.selection.start, self.selection.end
        return {"stream": self.stream, "start": start, "end": end, "most_step": self.most_step}


def find(connection: Connection, stream: int, selection: Selection, most: int) -> list[Found]:
    """The series with parts in the selection's time, by key; at most so many."""
    where, values = _series_where(stream, selection)
    values |= {"start": selection.start, "end": selection.end}
    chosen = f"sid IN (SELECT sid FROM series WHERE {where})"
    with tables(connection, edges=_edges(connection, chosen, values)):
        rows = connection.execute(_FIND.format(chosen=chosen, limit=most + 1), values).fetchall()
    _bound(len(rows), most, "series")
    return [Found(parse_key(key.encode()), first, last) for key, first, last in rows]


_FIND: Final = """
SELECT key, first, last
FROM (SELECT sid, min(first) AS first, max(last) AS last FROM (
          SELECT sid, time AS first, time AS last FROM parts
          WHERE stream = $stream AND time >= $start AND time < $end AND {chosen}
          UNION ALL
          SELECT sid, first, last FROM packs
          WHERE stream = $stream AND first >= $start AND last < $end AND {chosen}
          UNION ALL
          SELECT sid, first, last FROM edges)
      GROUP BY sid) JOIN series USING (sid)
ORDER BY key LIMIT {limit}"""
_EDGES: Final = """
FROM packs WHERE stream = $stream AND first < $end AND last >= $start AND (first < $start OR last >= $end)
AND {chosen}"""


def _edges(connection: Connection, chosen: str, values: dict[str, Any]) -> Arrays:
    """Packs that lie in the time in part: the first and last point in it."""
    found = [(np.empty(0, np.int64),) * 3]
    for points in read(connection, _EDGES.format(chosen=chosen), values):
        inside = points.cut((points.times >= values["start"]) & (points.times < values["end"]))
        rows = np.flatnonzero(inside.counts)
        ends = np.cumsum(inside.counts)[rows]
        begins = ends - inside.counts[rows]
        found.append((points.rows["sid"][rows], inside.times[begins], inside.times[ends - 1]))
    sids, firsts, lasts = (np.concatenate(column) for column in zip(*found, strict=True))
    return {"sid": sids, "first": firsts, "last": lasts}


def fetch(connection: Connection, question: Question, *, sketches: bool, members: bool) -> list[Folded]:
    """See ``Store.fetch``."""
    choose = _choose_apart if question.by is None else _choose_grouped
    headers = choose(connection, question)
    try:
        kinds = np.array([header.kind for header in headers], np.uint8)
        cells, _ = cells_and_periods(connection, question, kinds, sketches=sketches)
    finally:
        connection.execute("DROP TABLE chosen")
    return folded_of(cells, headers, sketches=sketches, members=members)


# --- which series, and whose ---------------------------------------------------------------------


def _series_where(stream: int, selection: Selection) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {"stream": stream}
    terms = ["stream = $stream"]
    if selection.kind is not None:
        values["kind"] = int(selection.kind)
        terms.append("kind = $kind")
    if selection.name != "*":
        terms.append(matching("name", selection.name, values))
    for label, glob in selection.where:
        name = f"label{len(values)}"
        values[name] = label
        terms.append(matching(f"labels[${name}]", glob, values))
    return " AND ".join(terms), values


def _choose_apart(connection: Connection, question: Question) -> list[Header]:
    """Make the table ``chosen`` with every series its own owner."""
    where, values = _series_where(question.stream, question.selection)
    rows = connection.execute(
        f"SELECT sid, key FROM series WHERE {where} LIMIT {question.bounds.series + 1}", values
    ).fetchall()
    _bound(len(rows), question.bounds.series, "series")
    named = []
    for sid, key in rows:
        series = parse_key(key.encode())
        named.append((Header(series.labels, series.kind, series.name), sid))
    named.sort()
    chosen = {
        "sid": np.array([sid for _, sid in named], np.int32),
        "kind": np.array([header.kind for header, _ in named], np.uint8),
        "owner": np.arange(len(named), dtype=np.int32),
    }
    with tables(connection, new_chosen=chosen):
        connection.execute("CREATE OR REPLACE TEMP TABLE chosen AS FROM new_chosen")
    return [header for header, _ in named]


def _choose_grouped(connection: Connection, question: Question) -> list[Header]:
    """Make the table ``chosen`` with an owner for each combination of labels and kind."""
    where, values = _series_where(question.stream, question.selection)
    names = sorted(set(question.by or ()))
    by = []
    for number, name in enumerate(names):
        values[f"by{number}"] = name
        by.append(f"coalesce(labels[$by{number}], '') AS l{number}")
    order = ", ".join([*(f"l{number}" for number in range(len(names))), "kind"])
    connection.execute(
        f"""
CREATE OR REPLACE TEMP TABLE chosen AS
SELECT sid, kind, dense_rank() OVER (ORDER BY {order}) - 1 AS owner, {order.removesuffix(", kind")}
FROM (SELECT {", ".join(["sid", "kind", *by])} FROM series WHERE {where})""",
        values,
    )
    rows = connection.execute(
        f"SELECT DISTINCT owner, {order} FROM chosen ORDER BY owner LIMIT {question.bounds.series + 1}"
    ).fetchall()
    _bound(len(rows), question.bounds.series, "groups")
    return [Header(tuple(zip(names, row[1:-1], strict=True)), Kind(row[-1])) for row in rows]


# --- what they hold ------------------------------------------------------------------------------


def cells_and_periods(
    connection: Connection, question: Question, kinds: U8, *, sketches: bool
) -> tuple[Cells, F64]:
    """Fold the parts of the series in the table ``chosen`` (sid, kind, owner).

    ``kinds`` is the kind of each owner.  Cells come ordered by owner and time, and with them
    the greatest period of the parts in each.
    """
    present = {Kind(kind) for kind in np.unique(kinds).tolist()}
    columns = _numbers(connection, question, present)
    order = np.lexsort((columns["moment"], columns["owner"]))
    owners, times = columns["owner"][order], columns["moment"][order]
    places = _Places(owners, times)
    cells = Cells(
        owners=owners,
        times=times,
        kinds=kinds[owners],
        sketches=_sketches(connection, question, places, sketches and Kind.TIMER in present),
        members=_members(connection, question, places, Kind.SET in present),
        **{name: columns[name][order] for name in _NUMBERS},
    )
    return cells, columns["period"][order]


_NUMBERS: Final = ("n", "d", "counts", "sources", "low", "high", "squares")


def _numbers(connection: Connection, question: Question, kinds: set[Kind]) -> dict[str, Any]:
    """The columns of the cells of all kinds, one kind behind the other."""
    answers = []
    for kind in sorted(kinds):
        values: dict[str, Any] = question.values
        points = None
        if kind is Kind.GAUGE:
            points = stepped(connection, CHOSEN, values, question.step, question.ranks)
            values["ranks"] = question.ranks
        sql = _fold(kind, question.moment, question.by is None, points is not None)
        with tables(connection, **({} if points is None else {"stepped": points})):
            answers.append(
                connection.execute(f"{sql} LIMIT {question.bounds.points + 1}", values).fetchnumpy()
            )
        _bound(sum(len(answer["n"]) for answer in answers), question.bounds.points, "points")
    names = ("owner", "moment", "period", *_NUMBERS)
    if not answers:
        return {name: np.empty(0, np.int64 if name in names[:2] else np.float64) for name in names}
    columns = {name: np.concatenate([answer[name] for answer in answers]) for name in names}
    return {**columns, "owner": columns["owner"].astype(np.int64)}


class _Places:
    """Where the cell of an owner and a time is."""

    def __init__(self, owners: I64, times: I64):
        self._moments = np.unique(times)
        self._codes = self._code(owners, times)

    def of(self, owners: I64, times: I64) -> I64:
        """The number of each cell; all of them must exist."""
        return np.searchsorted(self._codes, self._code(owners, times)).astype(np.int64)

    def _code(self, owners: I64, times: I64) -> I64:
        code: I64 = owners * len(self._moments) + np.searchsorted(self._moments, times)
        return code


def _sketches(connection: Connection, question: Question, places: _Places, wanted: bool) -> sketch.Flat:
    if not wanted:
        return sketch.Flat(np.empty(0, np.int64), np.empty(0, np.int16), np.empty(0))
    rows = connection.execute(
        f"""
SELECT owner::BIGINT AS owner, moment, bin, sum(weight) AS weight
FROM (SELECT owner, {question.moment} AS moment, unnest(bins) AS bin, unnest(bin_counts) AS weight
      {_PARTS} AND bins IS NOT NULL)
GROUP BY owner, moment, bin ORDER BY owner, moment, bin LIMIT {question.bounds.bins + 1}""",
        question.values,
    ).fetchnumpy()
    _bound(len(rows["bin"]), question.bounds.bins, "sketch bins")
    return sketch.Flat(places.of(rows["owner"], rows["moment"]), rows["bin"], rows["weight"])


def _members(connection: Connection, question: Question, places: _Places, wanted: bool) -> distinct.Flat:
    if not wanted:
        return distinct.no_members()
    few = connection.execute(
        f"""
SELECT DISTINCT owner::BIGINT AS owner, moment, hash
FROM (SELECT owner, {question.moment} AS moment, unnest(hashes) AS hash {_PARTS} AND hashes IS NOT NULL)
LIMIT {question.bounds.bins + 1}""",
        question.values,
    ).fetchnumpy()
    _bound(len(few["hash"]), question.bounds.bins, "set members")
    many = connection.execute(
        f"""
SELECT owner::BIGINT AS owner, moment, max(rank) AS rank
FROM (SELECT owner, {question.moment} AS moment, unnest(registers) AS rank,
             generate_subscripts(registers, 1) AS number {_PARTS} AND registers IS NOT NULL)
GROUP BY owner, moment, number ORDER BY owner, moment, number LIMIT {question.bounds.bins + 1}""",
        question.values,
    ).fetchnumpy()
    _bound(len(many["rank"]), question.bounds.bins, "set registers")
    first = slice(None, None, distinct.REGISTERS)
    return distinct.unite(
        distinct.Flat(
            places.of(few["owner"], few["moment"]),
            few["hash"],
            places.of(many["owner"][first], many["moment"][first]),
            many["rank"].reshape(-1, distinct.REGISTERS),
        )
    )


def _bound(number: int, most: int, what: str) -> None:
    if number > most:
        raise ClientError("too_expensive", 413, f"more than {most} {what}; narrow the selection or group it")

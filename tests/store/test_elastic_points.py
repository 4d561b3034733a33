"""Parts as documents and back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import orjson

from metronome.fold.columns import join
from metronome.fold.rollup import fold_parts
from metronome.model import Columns, Kind, Selection, Series, series_key
from metronome.store.elastic_fields import Fields
from metronome.store.elastic_points import (
    Fragments,
    Row,
    columns_of,
    documents,
    is_key,
    key_term,
    keys_known,
    merged_documents,
    moments,
    series_of,
    source_of,
)
from metronome.store.elastic_read import row_of
from tests.store.build import counter, gauge, members, parts, plain, row, timer, with_registers
from tests.store.cluster import Doc, doc_values


def made(columns: Columns, fields: Fields | None = None) -> list[dict]:
    """The documents of a record at position 100 of gateway ``g``."""
    fragments = Fragments().of("main", columns)
    source = source_of("g", 100, "g.64.")
    docs = documents(columns, fragments, source, range(len(columns)), fields or Fields(["host"]))
    return [{"_id": doc.id, **orjson.loads(doc.source)} for doc in docs]


def read_back(sources: list[dict]) -> Columns:
    """The parts that documents were made of."""
    names = [
        "series",
        "@timestamp",
        "n",
        "d",
        "p",
        "samples",
        "min",
        "max",
        "squares",
        "gateway",
        "position",
        "row",
    ]
    rows = [row_of({"fields": dict(doc_values(Doc(one, 0), names)), "_source": one}) for one in sources]
    return columns_of(rows, keys_known([one.term for one in rows], {}))[0]


def test_a_counter_is_a_document_in_logstashs_format() -> None:
    """Every field, as the documentation says."""
    (doc,) = made(parts(counter("http.requests", 1500, 3, d=2, host="a")).columns)
    assert doc == {
        "_id": "g.64.0",
        "@timestamp": "1970-01-01T00:00:01.500Z",
        "@version": "1",
        "type": "point",
        "stream": "main",
        "name": "http.requests",
        "kind": "counter",
        "labels": {"host": "a"},
        "label_pairs": ["host=a"],
        "series": "chttp.requests\0host\0a",
        "n": 3.0,
        "d": 2.0,
        "p": 10.0,
        "samples": 2,
        "min": 3.0,
        "max": 3.0,
        "gateway": "g",
        "position": 100,
        "row": 0,
    }


def test_timers_have_percentiles_and_a_sketch() -> None:
    """Plain numbers for Kibana, opaque ones for merging."""
    (doc,) = made(parts(timer("t", 0, [float(number) for number in range(1, 101)])).columns)
    assert (doc["p50"], doc["p90"], doc["p99"], doc["squares"]) == (50.0, 90.0, 99.0, 338350.0)
    assert doc["sketch"]
    assert "label_pairs" not in doc


def test_everything_comes_back() -> None:
    """Parts of every kind fold as they did before they were documents."""
    big = members("big", 0, (f"m{number}" for number in range(10)))
    columns = join(
        [
            parts(
                counter("c", 0, 1, host="a"),
                gauge("g", 5, -0.1),
                timer("t", 7, [1.0, 2.0, 1e9]),
                members("s", 9, "abc"),
            ).columns,
            with_registers(parts(big).columns, np.arange(4096) % 53),
        ]
    )
    back = read_back(made(columns))
    everything = Selection("main", "*")

    def folded(some: Columns) -> list:
        return plain(fold_parts([("g", 0, some)], everything, 0, None, sketches=True, members=True))

    assert folded(back) == folded(columns)
    assert back.periods.tolist() == columns.periods.tolist()


def test_what_labels_cannot_say_is_told() -> None:
    """A label without a field, and one that is written otherwise."""
    (doc,) = made(parts(counter("c", 0, 1, **{"a.b": "x", "host": "h", "zone": "z"})).columns)
    assert doc["labels"] == {"a_b": "x", "host": "h", "zone": "z"}
    assert doc["labels_unindexed"] == ["a.b", "a_b", "zone"]


def test_json_has_no_infinity() -> None:
    """The greatest double stands for it, and 0 for what is no number."""
    columns = replace(parts(counter("c", 0, 1), counter("d", 0, 1)).columns, n=np.array([math.inf, math.nan]))
    assert [doc["n"] for doc in made(columns)] == [np.finfo(np.float64).max, 0.0]


def test_merged_parts_say_by_whom() -> None:
    """They are nobody's, and carry their step and round."""
    columns = parts(counter("c", 0, 1)).columns
    (doc,) = merged_documents(columns, Fragments().of("m", columns), 60, 7, "merge.0.7.", [3], Fields())
    source = orjson.loads(doc.source)
    assert doc.id == "merge.0.7.3"
    assert (source["step"], source["merge"], source["position"], source["row"]) == (60, 7, 0, 3)
    assert "gateway" not in source


def test_a_long_key_is_named_by_its_hash() -> None:
    """No term of Lucene's may be so long; the series is read from a document."""
    series = Series("n" * 200, tuple((f"l{number:02}", "v" * 1000) for number in range(32)), Kind.GAUGE)
    term = key_term(series_key(series))
    assert not is_key(term)
    assert len(term) == 18
    (doc,) = made(parts(row(Kind.GAUGE, series.name, 0, dict(series.labels), n=1.0)).columns)
    assert doc["series"] == term
    assert series_of(doc) == series
    assert keys_known([term, "cx"], {term: series}) == {term: series_key(series), "cx": b"cx"}


def test_fragments_are_remembered_and_bounded() -> None:
    """The same object for the same series; too many begin anew."""
    columns = parts(*(counter(f"c{number}", 0, 1) for number in range(3))).columns
    fragments = Fragments(3)
    first = fragments.of("main", columns)
    assert fragments.of("main", columns)[0] is first[0]
    assert fragments.of("other", columns)[0].text != first[0].text
    assert fragments.of("main", columns)[0] is not first[0]


def test_rows_are_in_the_order_of_gauges() -> None:
    """By gateway, then position, then row; merged ones, which are nobody's, first."""
    numbers = (1.0,) * 7
    places = [("b", 1, 0), ("a", 9, 1), ("a", 9, 0), ("", 3, 7)]
    rows = [Row("gx", 0, numbers, "", *place) for place in places]
    columns, order = columns_of(rows, {"gx": b"gx"})
    assert order == [3, 2, 1, 0]
    assert len(columns) == 4
    assert len(columns_of([], {})[0]) == 0


def test_times_are_texts() -> None:
    """From 1970 to 9999."""
    assert moments(np.array([0, 253_402_300_799_000])) == [
        "1970-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.000Z",
    ]

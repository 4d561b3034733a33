"""What Prometheus gets of a series, and who may have a name."""

from __future__ import annotations

import pytest

from metronome.fold.cells import Header
from metronome.fold.mapping_rules import HistogramOptions, Objective, SummaryOptions
from metronome.fold.rules import prometheus_slots
from metronome.fold.shapes import Shape
from metronome.gateway.exposed import (
    COUNT,
    LAST,
    QUANTILE,
    TOTAL,
    Exposed,
    Names,
    of_group,
    of_series,
    unpacked,
)
from metronome.kernel.families import Escaping
from metronome.model import Kind, Series
from tests.gateway.rule_kit import rules


@pytest.mark.parametrize(
    ("kind", "codes", "samples"),
    [
        (Kind.COUNTER, [TOTAL], ["app_hits_total"]),
        (Kind.GAUGE, [LAST], ["app_hits"]),
        (Kind.SET, [LAST], ["app_hits"]),
        (
            Kind.TIMER,
            [QUANTILE] * 4 + [TOTAL, COUNT],
            [*(f"app_hits{q}" for q in (0.5, 0.9, 0.95, 0.99)), "app_hits_sum", "app_hits_count"],
        ),
    ],
)
def test_samples_of_each_kind(kind: Kind, codes: list[int], samples: list[str]) -> None:
    """Each sample has its name, and a cell for itself."""
    exposed, meaning = of_series(Series("app.hits", (("a", "1"),), kind), "main")
    assert meaning == f"app.hits ({kind.word})"
    assert exposed.codes == codes
    found = [(dict(labels), cell) for labels, cell in exposed.samples()]
    assert [labels["__name__"] + labels.get("quantile", "") for labels, _ in found] == samples
    assert [cell for _, cell in found] == list(range(len(codes)))
    assert all(labels["a"] == "1" for labels, _ in found)


def test_mapping_rules_have_a_word() -> None:
    """Of what a timer is, and of what is told of a family."""
    series = Series("wait", (), Kind.TIMER)
    summary = SummaryOptions(quantiles=(Objective(0.3, 0.01),))
    exposed, meaning = of_series(series, "main", Shape(help="how long", summary=summary))
    assert (exposed.type, exposed.points, meaning) == ("summary", (0.3,), "how long")
    exposed, meaning = of_series(series, "main", Shape(histogram=HistogramOptions(buckets=(1, 2))))
    assert (exposed.type, exposed.points, meaning) == ("histogram", (1, 2), "wait (timer)")


def test_a_histogram() -> None:
    """The count of a histogram is the cell of its last bucket."""
    (rule,) = rules('[[rollup]]\nmatch = "w"\nby = ["to"]\nprometheus = "w"\nbuckets = [10, 20.5]')
    slot = prometheus_slots([rule])[0]
    exposed, meaning = of_group(slot, Header((("to", "x"),), Kind.TIMER), "main")
    assert meaning == "w by to (timer)"
    assert exposed.codes == [COUNT, COUNT, COUNT, TOTAL]
    found = {
        dict(labels)["__name__"] + dict(labels).get("le", ""): cell for labels, cell in exposed.samples()
    }
    assert found == {"w_bucket10.0": 0, "w_bucket20.5": 1, "w_bucket+Inf": 2, "w_sum": 3, "w_count": 2}


def test_labels() -> None:
    """Escaped names, no empty values, of equal ones the first; a stream other than main is one."""
    labels = (("a", ""), ("le", "5"), ("stream", "forged"), ("x.y", "1"), ("x_y", "2"))
    exposed, _ = of_series(Series("hits", labels, Kind.COUNTER), "shop")
    assert exposed.labels == (
        ("exported_le", "5"),
        ("exported_stream", "forged"),
        ("stream", "shop"),
        ("x_y", "1"),
    )


def test_names_that_stay_as_they_are() -> None:
    """With UTF-8 names only what is reserved is renamed."""
    series = Series("größe.total", (("__a", "1"), ("le", "2"), ("x.y", "3")), Kind.COUNTER)
    exposed, _ = of_series(series, "main", escaping=Escaping.UTF8)
    assert exposed.samples() == [
        ((("__name__", "größe_total"), ("exported___a", "1"), ("exported_le", "2"), ("x.y", "3")), 0)
    ]


def test_packed() -> None:
    """Bytes say all of it, and are equal where it is."""
    exposed = Exposed("summary", "größe", (("a", 'ü"'),), (0.5, 0.999))
    assert unpacked(exposed.packed()) == exposed
    assert exposed.packed() == Exposed("summary", "größe", (("a", 'ü"'),), (0.5, 0.999)).packed()


def test_names_are_taken_once() -> None:
    """A family has all names of its samples, until its last series is gone."""
    names = Names()
    names.reserve("metronome_up", "gauge")
    assert names.enter("a", "summary", "one")
    assert names.enter("a", "summary", "another")
    assert not names.enter("a", "counter", "")
    assert not names.enter("a_sum", "gauge", "")
    assert not names.enter("metronome_up", "gauge", "")
    assert names.family("a") == ("a", "summary", "one")
    names.leave("a")
    assert not names.enter("a_sum", "gauge", "")
    freed = names.freed
    names.leave("a")
    assert names.freed > freed
    assert names.enter("a_sum", "gauge", "")
    assert names.families() == {"a_sum": ("gauge", "")}
    assert names.meaning("a") == ""

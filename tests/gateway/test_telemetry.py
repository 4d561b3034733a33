"""Counters, gauges and the catalogue."""

from __future__ import annotations

import pytest

from metronome.gateway.telemetry import ADVICE, CATALOGUE, Telemetry


def test_counters_add_up_by_labels() -> None:
    """A counter keeps one number for each combination of label values."""
    telemetry = Telemetry()
    telemetry.count("metronome_shed_total", 2, stream="main", source="udp", reason="queue_full")
    telemetry.count("metronome_shed_total", stream="main", source="udp", reason="queue_full")
    telemetry.count("metronome_shed_total", stream="other", source="udp", reason="queue_full")
    assert telemetry.value("metronome_shed_total", stream="main", source="udp", reason="queue_full") == 3
    (family,) = [family for family in telemetry.families() if family.name == "metronome_shed_total"]
    assert [value for _, value in family.samples] == [3, 1]


def test_gauges_are_read_when_asked() -> None:
    """A gauge gives the value of the moment, and none once it is forgotten."""
    telemetry = Telemetry()
    values = [1.0]
    telemetry.gauge("metronome_series", lambda: values[0], stream="main")
    values[0] = 7.0
    assert telemetry.value("metronome_series", stream="main") == 7.0
    telemetry.forget("metronome_series", stream="main")
    assert "metronome_series" not in [family.name for family in telemetry.families()]


def test_counters_without_labels_are_there_from_the_start() -> None:
    """A counter that appears with its first count looks as if it had always been at that."""
    telemetry = Telemetry()
    found = {family.name: [value for _, value in family.samples] for family in telemetry.families()}
    assert found == {
        name: [0] for name, (kind, labels, _) in CATALOGUE.items() if kind == "counter" and not labels
    }
    telemetry.count("metronome_flushes_total")
    assert [family.samples[0][1] for family in telemetry.families() if "flushes" in family.name] == [1]


def test_an_unknown_name_or_label_is_a_programming_error() -> None:
    """Nothing can be exported that the catalogue does not describe."""
    telemetry = Telemetry()
    with pytest.raises(KeyError):
        telemetry.count("metronome_made_up_total")
    with pytest.raises(AssertionError):
        telemetry.count("metronome_flushes_total", stream="main")
    with pytest.raises(AssertionError):
        telemetry.count("metronome_series", stream="main")


@pytest.mark.parametrize("name", CATALOGUE)
def test_names_follow_the_convention(name: str) -> None:
    """Every name begins with metronome_, and exactly the counters end in _total."""
    assert name.startswith("metronome_")
    assert name.endswith("_total") == (CATALOGUE[name][0] == "counter")


def test_every_metric_says_what_to_do() -> None:
    """A number that nobody can act on is of no use: each has its advice, a sentence."""
    assert list(ADVICE) == list(CATALOGUE)
    assert all(text.endswith(".") for text in ADVICE.values())

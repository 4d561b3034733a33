"""The last exemplar of each series."""

from __future__ import annotations

from metronome.gateway.exemplars import Exemplars
from metronome.kernel import hash64
from metronome.wire.prometheus_protobuf import Exemplar
from tests.gateway.page_kit import Shown, key


def exemplar(value: float) -> Exemplar:
    return Exemplar((("trace_id", "x"),), value, 1.0)


def test_the_last_of_each_series() -> None:
    """By the number that a sheet's roster has for it; of series that are not there nothing."""
    shown, exemplars = Shown(), Exemplars()
    one, other = key("a"), key("b")
    number = shown.put(one, 1.0)
    for value in (1.0, 2.0):
        exemplars.keep("main", [hash64(one), hash64(other)], exemplar(value))
    exemplars.keep("shop", [hash64(one)], exemplar(3.0))
    assert exemplars.of(shown.sheet()) == {number: exemplar(2.0)}
    assert exemplars.of(shown.sheet("shop")) == {}
    assert exemplars.of(shown.sheet("none")) == {}


def test_they_are_bounded() -> None:
    """The oldest go first; one that comes again is new."""
    exemplars = Exemplars(2)
    shown = Shown()
    keys = [key(name) for name in "abc"]
    numbers = [shown.put(one, 1.0) for one in keys]
    for one in (keys[0], keys[1], keys[0], keys[2]):
        exemplars.keep("main", [hash64(one)], exemplar(1.0))
    assert len(exemplars) == 2
    assert sorted(exemplars.of(shown.sheet())) == [numbers[0], numbers[2]]

"""Running totals: places, cells, and images of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metronome.gateway.exposed import Exposed, Names
from metronome.gateway.totals import Totals


def counter(name: str, **labels: str) -> Exposed:
    return Exposed("counter", name, tuple(sorted(labels.items())))


def summary(name: str, *points: float) -> Exposed:
    return Exposed("summary", name, (), points)


def join(totals: Totals, exposed: Exposed, now: int = 0) -> int:
    return totals.join(exposed, "told", now, now, 100)


def cells(totals: Totals, place: int) -> list[float]:
    first = totals.first[place]
    return list(totals.values[first : first + totals.widths[place]])


def test_a_series_has_one_writer() -> None:
    """Who comes second has no place, until the first leaves."""
    totals = Totals(Names())
    place = join(totals, counter("a"))
    assert place >= 0
    assert join(totals, counter("a")) == -1
    totals.leave(place)
    assert len(totals) == 0
    assert join(totals, counter("a")) >= 0


def test_who_takes_over_goes_on() -> None:
    """A series that nobody writes keeps its cells for who does next."""
    totals = Totals(Names())
    place = join(totals, counter("a"))
    totals.values[totals.first[place]] = 7
    totals.disown([place])
    assert join(totals, counter("a"), now=50) == place
    assert cells(totals, place) == [7]
    assert totals.seen[place] == 50
    assert totals.born[place] == 0


def test_cells_are_used_again_and_empty() -> None:
    """Cells of a series that has left go to one that has as many."""
    totals = Totals(Names())
    place = join(totals, summary("a", 0.5))
    first = int(totals.first[place])
    totals.values[first : first + 3] = 9
    totals.leave(place)
    other = join(totals, summary("b", 0.9))
    assert int(totals.first[other]) == first
    assert cells(totals, other) == [0, 0, 0]


def test_idle_series() -> None:
    """Those that were not heard of for as long as they stay."""
    totals = Totals(Names())
    first, second = join(totals, counter("a"), now=10), join(totals, counter("b"), now=20)
    assert totals.idle(109) == []
    assert totals.idle(110) == [first]
    assert totals.idle(120) == [first, second]


def test_watchers() -> None:
    """Somebody is told of a place once it is taken and before it is free."""
    totals = Totals(Names())
    told: list[object] = []
    totals.watch(
        lambda place: told.append(totals.series(place)), lambda place: told.append(totals.size(place) > 0)
    )
    totals.leave(join(totals, counter("a")))
    assert told == [counter("a"), True]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.booleans()), max_size=60))
def test_images(steps: list[tuple[int, int, bool]]) -> None:
    """Whatever came and went: totals made of an image have the same series and cells."""
    totals = Totals(Names())
    for number, (name, width, leaves) in enumerate(steps):
        exposed = summary(f"n{name}", *[0.1 * (point + 1) for point in range(width)])
        place = join(totals, exposed, now=number)
        if place >= 0:
            first = int(totals.first[place])
            totals.values[first : first + width + 2] = number + np.arange(width + 2) / 10
        if place >= 0 and leaves:
            totals.leave(place)
    meanings = {base: meaning for base, (_, meaning) in totals.names.families().items()}
    again = Totals(Names())
    again.restore(totals.image(), meanings)
    assert len(again) == len(totals)
    for place in totals.places().tolist():
        restored = join(again, totals.series(place), now=int(totals.seen[place]))
        assert cells(again, restored) == cells(totals, place)
        assert again.born[restored] == totals.born[place]
    assert again.names.families() == totals.names.families()

"""Series by number."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.columns import keys_of
from metronome.fold.roster import Roster, Rosters
from metronome.kernel import hash64
from metronome.model import I64, Columns, Kind, Series, series_key
from metronome.wire.records import Row, columns_of


def key(name: str, kind: Kind = Kind.COUNTER) -> bytes:
    return series_key(Series(name, (), kind))


def columns(keys: list[bytes]) -> Columns:
    return columns_of([Row(one, hash64(one), Kind.COUNTER, 0, 1.0, 1, 1, 1, 1, 1, 0, ()) for one in keys])


def texts(roster: Roster, numbers: I64) -> list[bytes]:
    keys = roster.keys(numbers)
    assert [roster.key(number) for number in numbers.tolist()] == [
        keys.row(row).tobytes() for row in range(len(numbers))
    ]
    return [keys.row(row).tobytes() for row in range(len(numbers))]


NAMES = st.lists(st.integers(0, 60), max_size=20)


@given(st.lists(st.tuples(st.sampled_from(["first", "second", "leave", "nobody"]), NAMES), max_size=10))
def test_what_is_held_stays(turns: list[tuple[str, list[int]]]) -> None:
    """A number that somebody holds is its series', whoever else comes and goes."""
    roster = Roster()
    held: dict[str, dict[bytes, int]] = {"first": {}, "second": {}}
    for who, names in turns:
        rows = columns([key("n" * name + str(name)) for name in names])
        if who == "leave":
            for known in held.values():
                roster.release(np.array(list(known.values())[::2], np.int64))
                for one in list(known)[::2]:
                    del known[one]
            continue
        numbers = roster.numbers(rows)
        assert texts(roster, numbers) == keys_of(rows, np.arange(len(rows)))
        if who in held:
            new = dict(zip(texts(roster, numbers), numbers.tolist(), strict=True))
            new = {one: number for one, number in new.items() if one not in held[who]}
            roster.hold(np.array(list(new.values()), np.int64))
            held[who].update(new)
        for known in held.values():
            assert texts(roster, np.array(list(known.values()), np.int64)) == list(known)
    roster.numbers(columns([]))
    assert len(roster) == len({one for known in held.values() for one in known})


def test_numbers_that_nobody_took_hold_of_go() -> None:
    """At the next call; and then they are another's."""
    roster = Roster()
    roster.hold(roster.numbers(columns([key("a")])))
    assert roster.numbers(columns([key("b"), key("c"), key("b")])).tolist() == [1, 2, 1]
    assert sorted(roster.numbers(columns([key("a"), key("d"), key("e")])).tolist()) == [0, 1, 2]
    assert (len(roster), roster.room) == (3, 3)
    roster.release(roster.numbers(columns([key("a")])))
    assert len(roster) == 0


def test_kinds() -> None:
    """The kind stands in the key."""
    roster = Roster()
    kinds = list(Kind) * 3
    numbers = roster.numbers(columns([key(f"a{at}", kind) for at, kind in enumerate(kinds)]))
    assert roster.kinds(numbers).tolist() == kinds
    assert roster.keys(numbers[:0]).ends.tolist() == []


def test_waste_is_left_out() -> None:
    """Series that come and go do not make the buffer grow; a key may be as long as it likes."""
    roster = Roster()
    roster.hold(roster.numbers(columns([key("stays" * 2000)])))
    for turn in range(60):
        numbers = roster.numbers(columns([key(f"{turn}.{at}" * 10) for at in range(100)]))
        roster.hold(numbers)
        roster.release(numbers)
    assert roster.key(0) == key("stays" * 2000)
    assert len(roster) == 1
    assert roster.memory < 600_000


def test_nothing_is_left() -> None:
    """When everybody lets go of everything, what was there is waste."""
    roster = Roster()
    for turn in range(3):
        numbers = roster.numbers(columns([key(f"{turn}.{at}" * 20) for at in range(2000)]))
        roster.hold(numbers)
        roster.release(numbers)
    assert len(roster) == 0
    assert len(roster.keys(np.empty(0, np.int64)).flat) == 0


def test_what_a_series_costs() -> None:
    """Its key and at most 40 bytes."""
    roster = Roster()
    rows = columns([key(f"series.{at:033d}") for at in range(20_000)])
    for begin in range(0, 20_000, 1000):
        roster.hold(roster.numbers(rows.cut(begin, begin + 1000)))
    assert roster.memory < 20_000 * (41 + 40) * 1.5
    assert texts(roster, np.array([0, 19_999])) == [key("series." + "0" * 33), key(f"series.{19_999:033d}")]


def test_each_stream_has_its_own() -> None:
    """Equal keys of two streams are two series."""
    rosters = Rosters()
    assert rosters.of("main") is rosters.of("main")
    assert rosters.of("main") is not rosters.of("shop")

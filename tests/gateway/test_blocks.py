"""Requests of a moment: what is in them, and which series share one."""

from __future__ import annotations

import math

import pytest

from metronome.gateway.blocks import Block, Blocks, Moment
from metronome.gateway.exposed import Exposed, Names
from metronome.gateway.totals import Totals
from metronome.limits import METRICS_WINDOW, WRITE_METADATA, WRITE_SAMPLES
from metronome.wire.remote_write import compressed
from tests.remote_write import read_1, read_2, stale

T = 1_700_000_000_000
P = 10_000


def join(totals: Totals, name: str, kind: str = "counter", points: tuple[float, ...] = ()) -> int:
    return totals.join(Exposed(kind, name, (), points), f"say {name}", T, T - P + 1, 10**9)


def samples(block: Block, version: int, time: int = T, ending: bool = False) -> dict[str, list]:
    """Samples by their names (and quantile)."""
    moment = Moment(time, P, ending)
    written = [block.beginning(version, moment)] if block.begins and not ending else []
    written.append(block.request(version, moment))
    samples: dict[str, list] = {}
    for request, number in written:
        body = compressed(request)
        found = read_1(body) if version == 1 else read_2(body)[0]
        assert sum(map(len, found.values())) == number
        for labels, values in found.items():
            samples.setdefault("".join(dict(labels).values()), []).extend(values)
    return samples


def only(blocks: Blocks) -> Block:
    (block,) = blocks
    return block


@pytest.mark.parametrize("version", [1, 2])
def test_the_life_of_a_series(version: int) -> None:
    """It begins with 0, has its values, and ends with the marker, once."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    place = join(totals, "a")
    join(totals, "b", "gauge")
    totals.values[totals.first[place]] = 3
    block = only(blocks)
    assert block.begins
    first = {"a_total": [(T - P + 1, 0), (T, 3)], "b": [(T, 0)]}
    assert samples(block, version) == first
    assert samples(block, version) == first  # until it is settled
    blocks.settle()
    assert samples(block, version, T + P) == {"a_total": [(T + P, 3)], "b": [(T + P, 0)]}
    totals.leave(place)
    found = samples(block, version, T + 2 * P)
    ((time, value),) = found["a_total"]
    assert (time, stale(value)) == (T + 2 * P, True)
    blocks.settle()
    assert samples(block, version, T + 3 * P) == {"b": [(T + 3 * P, 0)]}


def test_gauges_do_not_begin() -> None:
    """What does not add up has no beginning to be told of."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    join(totals, "b", "gauge")
    assert not only(blocks).begins


def test_a_series_that_comes_and_goes_untold() -> None:
    """What was never sent needs no end."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    totals.leave(join(totals, "a"))
    join(totals, "b")
    assert samples(only(blocks), 1) == {"b_total": [(T - P + 1, 0), (T, 0)]}


def test_series_of_a_former_run_do_not_begin() -> None:
    """What is there when blocks are made has been told of before."""
    totals = Totals(Names())
    join(totals, "a")
    assert samples(only(Blocks(totals)), 2) == {"a_total": [(T, 0)]}


def test_all_series_end() -> None:
    """At a goodbye every sample is the marker."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    join(totals, "a")
    join(totals, "w", "summary", (0.5,))
    found = samples(only(blocks), 2, ending=True)
    assert len(found) == 4
    assert all(stale(value) for values in found.values() for _, value in values)


def test_counts_are_whole_and_old_quantiles_say_nothing() -> None:
    """As on the page: 1/rate adds up to fractions, and a quantile is of the last minute."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    place = join(totals, "w", "summary", (0.5,))
    totals.values[totals.first[place] : totals.first[place] + 3] = [4.0, 10.5, 2.6]
    blocks.settle()
    assert samples(only(blocks), 1) == {"w0.5": [(T, 4.0)], "w_sum": [(T, 10.5)], "w_count": [(T, 3)]}
    later = T + round(METRICS_WINDOW * 1000) + 1
    ((_, value),) = samples(only(blocks), 1, later)["w0.5"]
    assert math.isnan(value)
    assert not stale(value)


def test_requests_are_bounded() -> None:
    """Series go to blocks of so many samples; those that leave make room."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    places = [join(totals, f"s{number}", "summary", (0.5,)) for number in range(WRITE_SAMPLES)]
    sizes = [block.request(1, Moment(T, P))[1] for block in blocks]
    assert len(sizes) == 4
    blocks.settle()
    sizes = [block.request(1, Moment(T, P))[1] for block in blocks]
    assert max(sizes) <= WRITE_SAMPLES
    assert sum(sizes) == 3 * WRITE_SAMPLES
    for place in places[:900]:
        totals.leave(place)
    blocks.settle()
    for number in range(900):
        join(totals, f"t{number}", "summary", (0.5,))
    assert len(list(blocks)) == 4


def test_long_texts_fill_a_block() -> None:
    """A request is bounded in bytes as well."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    for number in range(300):
        exposed = Exposed("gauge", "g", (("a", f"{number}" + "x" * 20_000),))
        totals.join(exposed, "", T, T, 10**9)
    sizes = [len(block.request(1, Moment(T, P))[0]) for block in blocks]
    assert len(sizes) > 4
    assert max(sizes) < 1_200_000


def test_another_protocol() -> None:
    """A receiver that turns out to know 1.0 only gets the same samples."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    join(totals, "a")
    block = only(blocks)
    assert samples(block, 2) == samples(block, 1) == samples(block, 2)


def test_texts_that_nobody_needs_are_let_go() -> None:
    """The table of texts does not grow with all series that ever were."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    join(totals, "stays")
    sizes = []
    for _ in range(12):
        places = [join(totals, f"s{len(sizes)}x{number}") for number in range(WRITE_SAMPLES - 2)]
        (block,) = blocks
        block.request(2, Moment(T, P))
        blocks.settle()
        for place in places:
            totals.leave(place)
        block.request(2, Moment(T, P))
        blocks.settle()
        sizes.append(len(only(blocks).request(2, Moment(T, P))[0]))
    assert max(sizes) < 5 * sizes[0]
    assert min(sizes[4:]) < sizes[0]


def test_metadata_of_1() -> None:
    """Types and help go along at first, and again after a while."""
    totals = Totals(Names())
    blocks = Blocks(totals)
    join(totals, "a")

    def told(time: int) -> list[tuple[int, str, str]]:
        return read_1(compressed(only(blocks).request(1, Moment(time, P))[0]), metadata=True)

    assert told(T) == [(1, "a_total", "say a")]
    assert told(T + P) == []
    assert told(T + WRITE_METADATA * 1000) == [(1, "a_total", "say a")]

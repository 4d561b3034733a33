"""Readers of settings take typed and textual values alike and say what would be right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metronome import values
from metronome.fold.statsd import HistogramRule
from metronome.store.interface import LADDER, Rung


@pytest.mark.parametrize(
    ("reader", "raw", "expected"),
    [
        (values.text, "a", "a"),
        (values.path, "/a/b", Path("/a/b")),
        (values.optional_path, "", None),
        (values.flag, True, True),
        (values.flag, "No", False),
        (values.flag, 1, True),
        (values.number(0, 10), "2.5", 2.5),
        (values.number(0, 10), 10, 10.0),
        (values.whole(1, 9), "7", 7),
        (values.size(1), "512MB", 512_000_000),
        (values.size(1), "4 GiB", 4 << 30),
        (values.size(1), 4096, 4096),
        (values.size(1), "1.5k", 1500),
        (values.span(1), "90", 90.0),
        (values.span(1), "2d", 172_800.0),
        (values.span(0.1), 0.5, 0.5),
        (values.choice("a", "b"), "b", "b"),
        (values.store_url, "duckdb:/a/b.db", "duckdb:/a/b.db"),
        (values.store_url, "memory:", "memory:"),
        (values.histogram, "a:1:2.5:inf", HistogramRule("a", (1.0, 2.5, float("inf")))),
        (values.rung, "60s:30d", Rung(60, 30 * 86400)),
        (values.rung, "1m:1y", Rung(60, 365 * 86400)),
    ],
)
def test_a_good_value_is_read(reader: values.Reader, raw: object, expected: object) -> None:
    """Text and typed values of the same meaning give the same."""
    assert reader(raw) == expected


@pytest.mark.parametrize(
    ("reader", "raw", "right"),
    [
        (values.text, 5, "a text in quotes"),
        (values.path, "", "a path would be right"),
        (values.flag, "maybe", "true or false"),
        (values.flag, 1.0, "true or false"),
        (values.number(0.1, 3600), "ten", "a number from 0.1 to 3600"),
        (values.number(0.1, 3600), "nan", "out of bounds; a number from 0.1 to 3600"),
        (values.number(0.1, 3600), "inf", "out of bounds"),
        (values.number(0, 1), True, "not a number"),
        (values.number(0, 1), [1], "not a number"),
        (values.number(0, 1), 10**400, "not a number"),
        (values.whole(1, 9), 1.5, "not a whole number; 1 would be right"),
        (values.size(1024), 5, "too small; a size of at least 1024 bytes"),
        (values.size(1), "5 parsecs", "512MB or 4GiB"),
        (values.size(1), "1.2.3", "512MB or 4GiB"),
        (values.size(1), ".", "512MB or 4GiB"),
        (values.size(1), "5i", "512MB or 4GiB"),
        (values.span(60), "5s", "too short; a time of at least 60 seconds"),
        (values.span(1), None, "not a time"),
        (values.choice("a", "b"), "c", "a or b would be right"),
        (values.choice("a", "b"), ["a"], "a or b would be right"),
        (values.store_url, "/a/b.db", "duckdb: or duckdb:PATH or memory:"),
        (values.histogram, "a", "http:10:100:inf would be right"),
        (values.histogram, "a:5:5", "no ascending limits"),
        (values.histogram, "a:nan", "no ascending limits"),
        (values.rung, "60", "60s:30d would be right"),
        (values.rung, "1d:1h", "keeps less than one step"),
    ],
)
def test_a_bad_value_says_what_is_right(reader: values.Reader, raw: object, right: str) -> None:
    """The sentence names the remedy."""
    with pytest.raises(ValueError, match=re.escape(right)):
        reader(raw)


def test_an_address_names_its_transports_and_their_needs() -> None:
    """Transports are those of the option; tls wants a certificate, parameters good values."""
    read = values.address("tcp", "tls", "unix", parameters=("cert", "key", "mode", "gauge_sign"))
    assert str(read("tls://a:1?cert=/c")) == "tls://a:1?cert=/c"
    for raw, right in [
        ("udp://a:1", "not taken here"),
        ("tls://a:1", "no certificate"),
        ("unix:///a?mode=rw", "mode=660"),
        ("tcp://a:1?gauge_sign=minus", "delta or absolute"),
        (5, "a text in quotes"),
    ]:
        with pytest.raises(ValueError, match=re.escape(right)):
            read(raw)


@pytest.mark.parametrize(
    "rungs",
    [(), (Rung(10, 100), Rung(15, 1000)), (Rung(10, 100), Rung(10, 1000)), (Rung(10, 100), Rung(60, 100))],
)
def test_a_ladder_that_cannot_be_climbed_is_refused(rungs: tuple[Rung, ...]) -> None:
    """Steps must be whole multiples of the finer one, and each rung outlives the one before."""
    with pytest.raises(ValueError, match=r"right|multiple"):
        values.ladder(rungs)


def test_the_default_ladder_can_be_climbed() -> None:
    """What the store takes by default passes the check."""
    assert values.ladder(LADDER) == LADDER

"""The console's replies are statsd's, byte for byte; objects are printed as Node prints them."""

from __future__ import annotations

import pytest

from metronome.wire.console import Many, deletion, inspected, lines, listing, number_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-7.0, "-7"),
        (0.1 + 0.2, "0.30000000000000004"),
        (123456.789, "123456.789"),
        (1e16, "10000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.25e22, "1.25e+22"),
        (1e-6, "0.000001"),
        (1.5e-6, "0.0000015"),
        (1e-7, "1e-7"),
        (-2.5e-10, "-2.5e-10"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_numbers_are_javascripts(value: float, text: str) -> None:
    """Digits up to 21 places, then an exponent without leading zeros."""
    assert number_text(value) == text


WORDS = [f"long.name.of.a.counter.number.{index}" for index in range(3)]
SEVEN = [242.0, 297.0, 33.0, 6.0, 240.0, 132.0, 282.0]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({}, "{}"),
        ({"a": 1.0}, "{ a: 1 }"),
        ({"a.b": 1.0, "c_2": 2.5, "9x": -1.0}, "{ 'a.b': 1, c_2: 2.5, '9x': -1 }"),
        ({"a;b=c": 1.0, "x y": 0.0}, "{ 'a;b=c': 1, 'x y': 0 }"),
        ({"it's": 1.0, "q\"'": 2.0, "\n": 3.0}, "{ \"it's\": 1, `q\"'`: 2, '\\n': 3 }"),
        ({"a'\"`": 1.0, "\x1b": 2.0}, "{ 'a\\'\"`': 1, '\\x1B': 2 }"),
        (
            dict.fromkeys(WORDS, 1.0),
            "{\n  'long.name.of.a.counter.number.0': 1,\n  'long.name.of.a.counter.number.1': 1,\n"
            "  'long.name.of.a.counter.number.2': 1\n}",
        ),
        ({"t": Many([], 0)}, "{ t: [] }"),
        ({"t": Many([1.0, 2.5], 2)}, "{ t: [ 1, 2.5 ] }"),
        ({"t": Many([320.0] * 6, 6)}, "{ t: [ 320, 320, 320, 320, 320, 320 ] }"),
        ({"t": Many(SEVEN, 7)}, "{\n  t: [\n    242, 297,  33, 6,\n    240, 132, 282\n  ]\n}"),
        (
            {"t": Many([1.0] * 101, 102)},
            "{\n  t: [\n"
            + ("    " + "1, " * 11 + "1,\n") * 8
            + "    1, 1, 1, 1,\n    ... 2 more items\n  ]\n}",
        ),
    ],
)
def test_objects_are_nodes(table: dict[str, float | Many], text: str) -> None:
    """Outputs of Node 20's ``util.inspect``."""
    assert inspected(table) == text
    assert listing(table) == text + "\nEND\n\n"


@pytest.mark.parametrize(
    ("asked", "gone", "reply"),
    [
        (["e"], [], "metric e not found\nEND\n\n"),
        (["a.b"], ["a.b"], "deleted: a.b\nEND\n\n"),
        (["a.*"], ["a.b", "a.c"], "deleted: a.b\ndeleted: a.c\nEND\n\n"),
        (["a"], [], "metric a not found\nEND\n\n"),
        (["c.*"], [], "metric c.* not found\nEND\n\n"),
        (["d", "e", "a.b"], ["d", "a.b"], "deleted: d\nmetric e not found\ndeleted: a.b\nEND\n\n"),
        (["d", "d"], ["d"], "deleted: d\nmetric d not found\nEND\n\n"),
        ([], [], "END\n\n"),
    ],
)
def test_deletions_are_statsds(asked: list[str], gone: list[str], reply: str) -> None:
    """The first three are the cases of its own tests (lib/mgmt_console.js)."""
    assert deletion(asked, ["a.b", "a.c", "d"]) == (gone, reply)


def test_lines_have_a_name_and_a_value() -> None:
    """As ``stats`` and ``config`` give them."""
    assert (
        lines([("uptime", 12), ("messages.bad_lines_seen", 0)]) == "uptime: 12\nmessages.bad_lines_seen: 0\n"
    )

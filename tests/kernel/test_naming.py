"""Names, labels and tag styles: which series a line belongs to."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from metronome.kernel.interface import Dialect
from metronome.kernel.naming import split_name
from tests.kernel.helpers import UNION, parsed, rows

CASES: list[tuple[str, tuple[str, dict[str, str]] | str]] = [
    # untagged names, as statsd stores them
    ("a b/c@!.d", ("a_b-c.d", {})),
    ("a \t  b", ("a_b", {})),
    ("♬ü.x", (".x", {})),
    ("un1-q_3.", ("un1-q_3.", {})),
    ("a;b", ("a;b", {})),
    ("a=b", ("a=b", {})),
    ("C#.calls", ("C.calls", {})),
    ("a,b", ("ab", {})),
    ("a#b=c", ("a", {"b": "c"})),
    ("#a=b", "bad_name"),
    # Influx, Librato, Graphite
    ("a,k=v,k2=v2", ("a", {"k": "v", "k2": "v2"})),
    ("a b,k=v", ("a b", {"k": "v"})),
    ("a\x07b,k=v", ("ab", {"k": "v"})),
    ("a,k=v=w", ("a", {"k": "v=w"})),
    ("a,k,k2=v2", ("a", {"k2": "v2"})),
    ("a,k=,k2=v2,=v3", ("a", {"k2": "v2"})),
    ("a,k=", ("a", {})),
    ("a;k=v;k2=v,2", ("a", {"k": "v", "k2": "v,2"})),
    ("a#k=v,#k2=v2", ("a", {"k": "v", "k2": "v2"})),
    ("a,c=#fff", ("a", {"c": "#fff"})),
    ("a;k=#x;y=z#", ("a", {"k": "#x", "y": "z#"})),
    # SignalFx
    ("a.[k=v,k2=v2]b", ("a.b", {"k": "v", "k2": "v2"})),
    ("[k=v]a", ("a", {"k": "v"})),
    ("a[]", ("a", {})),
    ("a.[k,k2]b", ("a.b", {})),
    ("[k=v,k2=wa", ("k=vk2=wa", {})),
    ("a]k=v[,x=y", ("ak=vx=y", {})),
    ("[k=v]", "bad_name"),
    # two styles
    ("a,k=v;k2=v2", "mixed_tag_styles"),
    ("a;k=v,k2=v2", "mixed_tag_styles"),
    ("a;k=v#k2=v2", "mixed_tag_styles"),
    ("a,k=v#k2=v2", "mixed_tag_styles"),
    ("a#k=v;k2=v2", "mixed_tag_styles"),
    ("a[k=v],k2=v2", "mixed_tag_styles"),
    ("a,k=v;2x=y", ("a", {"k": "v;2x=y"})),
    # labels made to fit
    ("a,09d=0,t.w-d=1,ü é=2", ("a", {"_09d": "0", "t.w-d": "1", "_" * 3: "2"})),
    ("a,k=v,k=w", ("a", {"k": "w"})),
    ("a,k=ü", ("a", {"k": "ü"})),
]

TAGS: list[tuple[str, dict[str, str] | str]] = [
    ("x:y", {"x": "y"}),
    ("x:y,x2:y2", {"x": "y", "x2": "y2"}),
    ("b:1,a:2,a:3", {"a": "3", "b": "1"}),
    ("bare", {"bare": "true"}),
    ("empty:", {"empty": ""}),
    (":value", {}),
    (",,f,,", {"f": "true"}),
    ("", {}),
    ("#x:y,#z:1", {"x": "y", "z": "1"}),
    ("url:http://h:1/a=b?c#d", {"url": "http://h:1/a=b?c#d"}),
    (" a:b , c:d", {"_a": "b ", "_c": "d"}),
    ("intitulé:T0µ", {"intitul_": "T0µ"}),
    ("k=v", {"k_v": "true"}),
    (",".join(f"t{number}:1" for number in range(32)), {f"t{number}": "1" for number in range(32)}),
    (",".join(f"t{number}:1" for number in range(33)), "too_many_labels"),
    (",".join(["t:1"] * 100), {"t": "1"}),
    ("t:" + "v" * 1024, {"t": "v" * 1024}),
    ("t:" + "v" * 1025, "bad_label"),
    ("t:" + "é" * 513, "bad_label"),
    ("t" * 200 + ":v", {"t" * 200: "v"}),
    ("t" * 201 + ":v", "bad_label"),
    ("1" * 200 + ":v", "bad_label"),
]


def outcome(found: Any) -> Any:
    return found if isinstance(found, str) else (found[0][0], dict(found[0][1]))


@pytest.mark.parametrize(("name", "expected"), CASES, ids=[name for name, _ in CASES])
def test_names(kernel: ModuleType, name: str, expected: Any) -> None:
    """A raw name gives a name and labels, or the reason why it gives none."""
    assert outcome(parsed(kernel, f"{name}:1|c")) == expected


@pytest.mark.parametrize(("section", "expected"), TAGS, ids=[section[:30] for section, _ in TAGS])
def test_dogstatsd_tags(kernel: ModuleType, section: str, expected: Any) -> None:
    """A DogStatsD section gives labels sorted by name."""
    found = outcome(parsed(kernel, f"a:1|c|#{section}"))
    assert found == (expected if isinstance(expected, str) else ("a", expected))
    if not isinstance(expected, str):
        assert list(found[1]) == sorted(found[1])


def test_a_name_with_tags_is_kept(kernel: ModuleType) -> None:
    """statsd's sanitising is for names without labels; with them only control characters go."""
    assert outcome(parsed(kernel, "♬ a/b@c\x01:1|c|#x")) == ("♬ a/b@c", {"x": "true"})
    assert outcome(parsed(kernel, "a/b:1|c|#")) == ("a-b", {})


def test_sections_of_tags_are_one(kernel: ModuleType) -> None:
    """Tags may come in several sections; of a label in two of them the last stands."""
    found = outcome(parsed(kernel, "a:1|c|#x:1,y|@0.5|#y:2||#|#z:3"))
    assert found == ("a", {"x": "1", "y": "2", "z": "3"})
    table = kernel.Table()
    table.feed_statsd(b"a:1|c|#x:1|#y:2\na:1|c|#x:1,y:2\na:1|c|#y:2|#x:1\na:1|c|#x:1|#y:2|#z", UNION)
    assert [row["n"] for row in rows(table.flush(0, 10.0))] == [3.0, 1.0]


def test_tags_in_the_name_and_behind_it_do_not_mix(kernel: ModuleType) -> None:
    """In-name tags and a section that is not empty are refused."""
    assert parsed(kernel, "a,k=v:1|c|#x:y") == "mixed_tag_styles"
    assert outcome(parsed(kernel, "a,k=v:1|c|#")) == ("a", {"k": "v"})


def test_bytes_that_are_no_text_are_replaced(kernel: ModuleType) -> None:
    """Invalid UTF-8 and NUL become U+FFFD, by maximal parts; untagged names just lose them."""
    line = b"n\xc3(\0:1|c|#t:\xc3(x,u:\xf0\x9f\x98,v:\xed\xa0\x80,w:a\0b"
    labels = {"t": "\ufffd(x", "u": "\ufffd", "v": "\ufffd" * 3, "w": "a\ufffdb"}
    assert outcome(parsed(kernel, line)) == ("n\ufffd(\ufffd", labels)
    assert outcome(parsed(kernel, b"inv\xc3(utf8:1|c")) == ("invutf8", {})


OFF: list[tuple[str, str, Any]] = [
    ("influx_tags", "a,k=v:1|c", ("ak=v", {})),
    ("librato_tags", "a#k=v:1|c", ("ak=v", {})),
    ("graphite_tags", "a;k=v:1|c", ("a;k=v", {})),
    ("signalfx_tags", "a[k=v]b:1|c", ("ak=vb", {})),
    ("dogstatsd_tags", "a:1|c|#k:v", ("a", {})),
    ("dogstatsd_tags", "a,x=y:1|c|#k:v", ("a", {"x": "y"})),
    ("influx_tags", "a,b;k=v:1|c", ("a,b", {"k": "v"})),
    ("librato_tags", "a#b,k=v:1|c", ("a#b", {"k": "v"})),
    ("signalfx_tags", "a.[k=v,k2=v2]b:1|c", ("a.[k=v", {"k2": "v2]b"})),
    ("graphite_tags", "a,k=v;k2=w:1|c", ("a", {"k": "v;k2=w"})),
]


@pytest.mark.parametrize(
    ("style", "line", "expected"), OFF, ids=[f"{style} {line}" for style, line, _ in OFF]
)
def test_a_style_that_is_off_is_part_of_the_name(
    kernel: ModuleType, style: str, line: str, expected: Any
) -> None:
    """Each style has its own switch."""
    assert outcome(parsed(kernel, line, Dialect(**{style: False}))) == expected


def test_split_name_says_what_separates_the_tags() -> None:
    """The separator is that of the style whose mark came first."""
    assert split_name(b"a;k=v", UNION) == (b"a", b"k=v", b";")
    assert split_name(b"a#k=v", UNION) == (b"a", b"k=v", b",")
    assert split_name(b"a", UNION) == (b"a", b"", b",")

"""Series' keys as Graphite paths."""

from __future__ import annotations

import re
import sys

import pytest

from metronome.kernel.paths import Spelling, path_of, safe_path, safe_value, sanitized, tag_text
from metronome.model import Kind, Labels, Series, series_key


def spelt(name: str, labels: Labels, spelling: Spelling) -> str:
    head, tail = path_of(series_key(Series(name, labels, Kind.COUNTER)), spelling)
    return f"{head.decode()}|{tail.decode()}"


@pytest.mark.parametrize(
    ("name", "labels", "statsd", "tags_kept", "carbon"),
    [
        ("a.b-c_d=", (), "a.b-c_d=|", "a.b-c_d=|", "a.b-c_d=|"),
        ("a \t/b\u00a0c", (), "a_-b_c|", "a_-b_c|", "a_/b_c|"),
        ("\u00e9;:a;k=v", (), "ak=v|", "ak=v|", "\u00e9_:a_k=v|"),
        ("\x01\x7f", (), "|", "|", "_|"),
        ("a", (("k l", "/x;;y \u00e9"),), "a|;k_l=-x_y_", "a|;k_l=/x_y_\u00e9", "a|;k_l=/x_y_\u00e9"),
        ("a", (("!k^=", "~1;\u2003;2"),), "a|;k==1___2", "a|;!k^==~1_2", "a|;_k_=_1_2"),
        ("a", (("k", ""), ("l", "\u00e9"), ("m", ";\u00e9;")), "a|;k=_;l=_;m=_",
         "a|;k=_;l=\u00e9;m=_\u00e9_", "a|;k=_;l=\u00e9;m=_\u00e9_"),
    ],
)  # fmt: skip
def test_spellings(name: str, labels: Labels, statsd: str, tags_kept: str, carbon: str) -> None:
    """Statsd cleans, carbon only wants one word; labels are tags, and none of them is empty."""
    assert spelt(name, labels, Spelling.STATSD) == statsd
    assert spelt(name, labels, Spelling.STATSD_TAGS_KEPT) == tags_kept
    assert spelt(name, labels, Spelling.CARBON) == carbon


def test_ready_halves() -> None:
    """What is ready is not touched."""
    assert path_of(b"a b\0;c d", Spelling.READY) == (b"a b", b";c d")
    assert path_of(b"a", Spelling.READY) == (b"a", b"")


def test_text_that_is_none_stays_as_it_is() -> None:
    """Bytes that are not UTF-8 neither fail nor change what is around them."""
    assert path_of(b"ca b\xff\0k\0\xfe c", Spelling.CARBON) == (b"a_b\xff", b";k=\xfe_c")
    assert path_of(b"ca b\xff", Spelling.STATSD) == (b"a_b", b"")


def test_every_blank_of_unicode_is_one() -> None:
    """What a regular expression takes for a blank, whatever it is, ends no line and no tag."""
    blanks = [chr(code) for code in range(1, sys.maxunicode + 1) if re.match(r"\s", chr(code))]
    assert len(blanks) == 29
    for blank in blanks:
        assert spelt(f"a{blank}b", (("k", f"c{blank}"),), Spelling.STATSD) == "a_b|;k=c_"


def test_the_pieces_of_it() -> None:
    """Names, labels' values and tags by themselves."""
    assert sanitized("a/b \t$c;d") == "a-b_c;d"
    assert sanitized("caf\u00e9:$%x-_=") == "cafx-_="
    assert safe_path("a b;c") == "a_b_c"
    assert (safe_value("~a b"), safe_value("")) == ("_a_b", "_")
    assert tag_text((("k", "v"), ("l", ""))) == ";k=v;l=_"

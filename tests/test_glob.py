"""Globs on names and label values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.glob import compiled, is_plain, matches, regex

CASES = [
    ("a.b", "a.b", True),
    ("a.b", "a.c", False),
    ("a.b", "aXb", False),
    ("*", "", True),
    ("*", "a.b.c", True),
    ("a.*", "a.b.c", True),
    ("a.*", "b.a.c", False),
    ("a?c", "abc", True),
    ("a?c", "ac", False),
    ("5*", "500", True),
    ("[ab]c", "bc", True),
    ("[ab]c", "cc", False),
    ("[a-c]1", "b1", True),
    ("[!a-c]1", "b1", False),
    ("[!a-c]1", "z1", True),
    ("{GET,POST}", "POST", True),
    ("{GET,POST}", "PUT", False),
    ("x{a,b*}y", "xbbby", True),
    ("x{a,{b,c}}y", "xcy", True),
    ("a,b", "a,b", True),
    ("a{b", "a{b", True),
    ("a[b", "a[b", True),
    ("a}b]", "a}b]", True),
    ("[]]", "]", True),
    (r"a\*b", "a*b", True),
    (r"a\*b", "axb", False),
    ("a\\", "a\\", True),
    ("[z-a]", "[z-a]", True),
    ("[^a]", "^", True),
    ("[&&a]", "&", True),
    ("*", "two\nlines", True),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), CASES)
def test_cases(pattern: str, text: str, expected: bool) -> None:
    """A glob matches exactly these whole texts."""
    assert matches(pattern, text) is expected


@given(st.text(max_size=30))
def test_a_plain_text_matches_itself_only(text: str) -> None:
    """Without special characters a pattern is a name."""
    if is_plain(text):
        assert matches(text, text)
        assert not matches(text, text + "x")


@given(st.text(alphabet="ab*?[]{},\\!-^", max_size=12), st.text(alphabet="ab-^", max_size=8))
def test_any_pattern_compiles(pattern: str, text: str) -> None:
    """Whatever a user types is a usable pattern: it matches or it does not."""
    assert matches(pattern, text) in (True, False)
    assert isinstance(compiled(pattern), re.Pattern)


def test_the_regex_of_a_glob_matches_as_a_whole() -> None:
    """The regular expression can be used by stores that push matching down."""
    assert re.fullmatch(regex("http.{get,post}.5??"), "http.get.503")
    assert not re.fullmatch(regex("http.{get,post}.5??"), "http.get.5033")


@given(st.text("ab*?{},[!]", max_size=14), st.text("ab,", max_size=8))
def test_however_it_is_matched_the_answer_is_that_of_the_expression(pattern: str, text: str) -> None:
    """Globs with many stars and braces are matched in another way, and mean the same."""
    expected = pattern == text if is_plain(pattern) else compiled(pattern).fullmatch(text) is not None
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    "pattern", ["*a" * 20 + "*b", "{a,aa}" * 40 + "b", "*{a,*a}" * 10 + "b", "*" * 60 + "b"]
)
def test_no_glob_takes_long(pattern: str) -> None:
    """What a backtracking matcher would take years for; every test of the suite would notice."""
    assert not matches(pattern, "a" * 200)
    assert matches(pattern, "a" * 60 + "b")

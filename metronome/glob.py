"""Globs as Graphite users write them: ``*``, ``?``, ``[a-z]``, ``[!a-z]``, ``{this,that}``.

Used for series names and label values, so ``*`` matches any characters, dots included
(path-wise globs are the business of ``query``).  A backslash takes the next character as it
is.  An unclosed bracket or brace stands for itself, as in graphite-web.

Readers write globs and anybody writes names, so the time that a match takes must be bounded.
Python's regular expressions try one way after the other: five stars and a name of 150 letters
took them fifteen seconds.  Globs with more than ``_WAYS`` stars and braces are therefore matched
by a machine that goes all ways at once (Thompson, CACM 1968), and remembers its moves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

SPECIAL = frozenset("*?[]{}\\")
_STAR: Final = ".*"
_OPEN: Final = "(?:"
_WAYS: Final = 2
_MOVES_KEPT: Final = 1000
"""Of one machine; names of one gateway are much alike."""


def is_plain(pattern: str) -> bool:
    """Whether the pattern is an ordinary name that matches only itself."""
    return not SPECIAL.intersection(pattern)


def regex(pattern: str) -> str:
    """The regular expression (to be matched as a whole) that a glob stands for."""
    return "".join(_tokens(pattern))


def _tokens(pattern: str) -> Iterator[str]:
    """The pieces of that regular expression."""
    index, depth = 0, 0
    while index < len(pattern):
        char = pattern[index]
        index += 1
        if char == "\\" and index < len(pattern):
            yield re.escape(pattern[index])
            index += 1
        elif char == "*":
            yield _STAR
        elif char == "?":
            yield "."
        elif char == "[" and (close := pattern.find("]", index + 1)) > 0:
            yield _bracket(pattern[index:close])
            index = close + 1
        elif char == "{" and pattern.find("}", index) > 0:
            yield _OPEN
            depth += 1
        elif char == "," and depth:
            yield "|"
        elif char == "}" and depth:
            yield ")"
            depth -= 1
        else:
            yield re.escape(char)
    yield from ")" * depth


def _bracket(inside: str) -> str:
    negated = inside.startswith("!")
    text = re.sub(r"([\\\]^\[&~|])", r"\\\1", inside[1:] if negated else inside)
    return f"[{'^' if negated else ''}{text}]"


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """The compiled glob.  A range that makes no sense (``[z-a]``) matches as plain text."""
    try:
        return re.compile(regex(pattern), re.DOTALL)
    except re.error:
        return re.compile(re.escape(pattern))


def matches(pattern: str, text: str) -> bool:
    """Whether the glob matches the whole text."""
    if is_plain(pattern):
        return pattern == text
    return _matcher(pattern)(text)


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> Callable[[str], bool]:
    tokens = list(_tokens(pattern))
    expression = compiled(pattern)
    if expression.pattern == "".join(tokens) and tokens.count(_STAR) + tokens.count(_OPEN) > _WAYS:
        return _Machine(tokens).matches
    return lambda text: expression.fullmatch(text) is not None


class _Machine:
    """Is in a set of places of the glob; each character moves it to the next set."""

    def __init__(self, tokens: Iterable[str]):
        self._steps: list[list[tuple[re.Pattern[str], int]]] = [[]]
        self._free: list[list[int]] = [[]]
        """Places that are reached without a character."""
        self._moves: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._end = self._build(tokens)
        self._start = self._reach({0})

    def matches(self, text: str) -> bool:
        """Whether the whole text leads from the start to the end."""
        places = self._start
        for char in text:
            after = self._moves.get((places, char))
            places = self._move(places, char) if after is None else after
        return self._end in places

    def _build(self, tokens: Iterable[str]) -> int:
        """Lay the places out; the last one."""
        place = 0
        groups: list[tuple[int, int]] = []
        for token in tokens:
            if token == _OPEN:
                groups.append((place, self._new()))
                place = self._new(place)
            elif token == "|":
                self._free[place].append(groups[-1][1])
                place = self._new(groups[-1][0])
            elif token == ")":
                end = groups.pop()[1]
                self._free[place].append(end)
                place = end
            elif token == _STAR:
                place = self._new(place)
                self._steps[place].append((re.compile(".", re.DOTALL), place))
            else:
                after = self._new()
                self._steps[place].append((re.compile(token, re.DOTALL), after))
                place = after
        return place

    def _new(self, before: int | None = None) -> int:
        self._steps.append([])
        self._free.append([])
        if before is not None:
            self._free[before].append(len(self._steps) - 1)
        return len(self._steps) - 1

    def _move(self, places: frozenset[int], char: str) -> frozenset[int]:
        if len(self._moves) >= _MOVES_KEPT:
            self._moves.clear()
        to = {after for place in places for test, after in self._steps[place] if test.fullmatch(char)}
        found = self._moves[places, char] = self._reach(to)
        return found

    def _reach(self, places: set[int]) -> frozenset[int]:
        """The places, and those that are reached from them without a character."""
        found, fresh = set(places), list(places)
        while fresh:
            more = [place for place in self._free[fresh.pop()] if place not in found]
            found.update(more)
            fresh += more
        return frozenset(found)

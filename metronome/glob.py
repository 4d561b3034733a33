"""Globs as Graphite users write them: ``*``, ``?``, ``[a-z]``, ``[!a-z]``, ``{this,that}``.

Used for series names and label values, so ``*`` matches any characters, dots included
(path-wise globs are the business of ``query``).  A backslash takes the next character as it
is.  An unclosed bracket or brace stands for itself, as in graphite-web.
"""

from __future__ import annotations

import re
from functools import lru_cache

SPECIAL = frozenset("*?[]{}\\")


def is_plain(pattern: str) -> bool:
    """Whether the pattern is an ordinary name that matches only itself."""
    return not SPECIAL.intersection(pattern)


def regex(pattern: str) -> str:
    """The regular expression (to be matched as a whole) that a glob stands for."""
    out: list[str] = []
    index, depth = 0, 0
    while index < len(pattern):
        char = pattern[index]
        index += 1
        if char == "\\" and index < len(pattern):
            out.append(re.escape(pattern[index]))
            index += 1
        elif char == "*":
            out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "[" and (close := pattern.find("]", index + 1)) > 0:
            out.append(_bracket(pattern[index:close]))
            index = close + 1
        elif char == "{" and pattern.find("}", index) > 0:
            out.append("(?:")
            depth += 1
        elif char == "," and depth:
            out.append("|")
        elif char == "}" and depth:
            out.append(")")
            depth -= 1
        else:
            out.append(re.escape(char))
    return "".join(out) + ")" * depth


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
    return compiled(pattern).fullmatch(text) is not None

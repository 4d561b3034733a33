"""Reads ``[[rollup]]`` tables into rules, strictly.

A misspelt key that is skipped is a rule that silently does something else.  So an unknown
key, a value of the wrong sort, keys that contradict each other and a path that would put two
groups in one place are each a ``ConfigError``; its text names the rule by its number in the
file, the key and the value, and says what would be right.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

from metronome.errors import ConfigError
from metronome.fold.rules import ALL_LABELS, NAME, OVERS, Rule, has_stat, placed
from metronome.fold.stat import Stat, parse_stat
from metronome.limits import ROLLUP_EVERY, ROLLUP_GROUPS, ROLLUP_RULES
from metronome.model import Kind, Labels

_FAMILY: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_CONDITIONS: Final = ("match", "where", "kind", "stream", "drop")
_OF_GRAPHITE: Final = ("tags", "bare", "stamp")

Table = Mapping[str, Any]


def read(tables: object, period: float) -> tuple[Rule, ...]:
    """The rules of a file's ``rollup`` tables; ``period`` is the flush interval in seconds."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError("rollup is no list of tables; [[rollup]] above the keys of each would be right")
    if len(tables) > ROLLUP_RULES:
        raise ConfigError(f"rollup: {len(tables)} rules; at most {ROLLUP_RULES} would be right")
    return tuple(_rule(number, table, period) for number, table in enumerate(tables, 1))


def _rule(number: int, table: Table, period: float) -> Rule:
    given: dict[str, Any] = {"every": period}
    for key, value in table.items():
        if key not in _READERS:
            close = difflib.get_close_matches(key, _READERS, 1, 0.5)
            right = close[0] if close else f"one of {', '.join(_READERS)}"
            raise ConfigError(f"rollup {number}: {key} = {_shown(value)}: there is no such key; {right}"
                              " would be right")  # fmt: skip
        try:
            given[key] = _READERS[key](value)
        except ValueError as error:
            raise ConfigError(f"rollup {number}: {key} = {_shown(value)}: {error}") from None
    if "match" not in given:
        raise ConfigError(f'rollup {number}: it has no match; match = "http.*" or "*" would be right')
    rule = Rule(number, **given)
    for check in (_check_drop, _check_outputs, _check_every, _check_paths, _check_stats, _check_family):
        try:
            check(rule, table, period)
        except ValueError as error:
            raise ConfigError(f"rollup {number}: {error}") from None
    return rule


# --- one value ------------------------------------------------------------------------------


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw:
        raise ValueError("it is no text; a text in quotes would be right")
    return raw


def _flag(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("it is neither yes nor no; true or false would be right")
    return raw


def _number(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or not math.isfinite(raw):
        raise ValueError("it is no number; a number without quotes would be right")
    return float(raw)


def _every(raw: object) -> float:
    value = _number(raw)
    if not 0 < value <= ROLLUP_EVERY:
        raise ValueError(f"it is out of bounds; seconds up to {ROLLUP_EVERY} would be right")
    return value


def _limit(raw: object) -> int:
    value = _number(raw)
    if not value.is_integer() or not 1 <= value <= ROLLUP_GROUPS:
        raise ValueError(f"it is no whole number from 1 to {ROLLUP_GROUPS}; 10000 would be right")
    return int(value)


def _list(raw: object, example: str) -> list[Any]:
    if not isinstance(raw, list):
        raise ValueError(f"it is no list; {example} would be right")
    return raw


def _texts(raw: object) -> tuple[str, ...]:
    found = tuple(_text(item) for item in _list(raw, f"[{_shown(raw)}]"))
    twice = next((item for item in found if found.count(item) > 1), None)
    if twice is not None:
        raise ValueError(f"{_shown(twice)} stands there twice; once would be right")
    return found


def _by(raw: object) -> tuple[str, ...]:
    found = _texts(raw)
    if "*" in found and found != ALL_LABELS:
        raise ValueError('"*" keeps every label already; ["*"] would be right')
    return found


def _templates(raw: object) -> tuple[str, ...]:
    found = _texts([raw] if isinstance(raw, str) else raw)
    for template in found:
        try:
            placed(template)
        except ValueError:
            raise ValueError("a brace stands alone; {status} around a label would be right") from None
        if re.search(r"[\s;]", template):
            raise ValueError("a path holds no blank and no semicolon; web.{status} would be right")
        if ".." in f".{template}." or not template.strip("."):
            raise ValueError("an element of the path is empty; web.{status} would be right")
    return found


def _globs(raw: object) -> Labels:
    if not isinstance(raw, dict):
        raise ValueError('it is no table; { status = "5*" } would be right')
    return tuple(sorted((name, _glob(name, glob)) for name, glob in raw.items()))


def _glob(name: str, glob: object) -> str:
    if not isinstance(glob, str):
        raise ValueError(f'the glob of {name} is no text; {{ {name} = "{glob}" }} would be right')
    return glob


def _renames(raw: object) -> Labels:
    pairs = _globs(raw)
    new = [name for _, name in pairs]
    if not all(new) or len(set(new)) < len(new) or set(new) & {old for old, _ in pairs}:
        raise ValueError('the new names are not different ones; { http_code = "status" } would be right')
    return pairs


def _kind(raw: object) -> Kind:
    words = {kind.word: kind for kind in Kind}
    if not isinstance(raw, str) or raw not in words:
        raise ValueError(f"there is no such kind; {', '.join(words)} would be right")
    return words[raw]


def _stats(raw: object) -> tuple[Stat, ...]:
    names = _texts(raw)
    if not names:
        raise ValueError('it is empty; ["count", "p95"] or no such key would be right')
    return tuple(map(parse_stat, names))


def _choice(*words: str) -> Callable[[object], str]:
    def read(raw: object) -> str:
        if not isinstance(raw, str) or raw not in words:
            raise ValueError(f"it is none of the choices; {', '.join(words)} would be right")
        return raw

    return read


def _buckets(raw: object) -> tuple[float, ...]:
    found = tuple(_number(item) for item in _list(raw, "[10, 100, 1000]"))
    if not found or any(low >= high for low, high in pairwise(found)):
        raise ValueError("the limits do not ascend; [10, 100, 1000] would be right")
    return found


def _family(raw: object) -> str:
    text = _text(raw)
    name = text.replace("{name}", "x")
    if not _FAMILY.fullmatch(name):
        right = re.sub(r"[^a-zA-Z0-9_]", "_", re.sub(r"\{[^}]*\}", "", text))
        right = right if _FAMILY.fullmatch(right) else f"_{right}"
        raise ValueError(f"it is no name of a family (only {{name}} may stand in it); {right} would be right")
    return text


_READERS: Final[dict[str, Callable[[object], Any]]] = {
    "match": _text,
    "where": _globs,
    "kind": _kind,
    "stream": _text,
    "drop": _flag,
    "rename": _renames,
    "by": _by,
    "every": _every,
    "stats": _stats,
    "over": _choice(*OVERS),
    "limit": _limit,
    "graphite": _templates,
    "tags": _flag,
    "bare": _flag,
    "stamp": _choice("start", "end"),
    "prometheus": _family,
    "buckets": _buckets,
    "native": _flag,
}
KEYS: Final = tuple(_READERS)
"""The keys of a rule; each is also what it is called in :class:`Rule`."""


# --- what goes together ---------------------------------------------------------------------


def _check_drop(rule: Rule, table: Table, period: float) -> None:
    more = [key for key in table if key not in _CONDITIONS]
    if rule.drop and more:
        raise ValueError(f"{more[0]} = {_shown(table[more[0]])}: the rule drops; no drop, or only "
                         f"{', '.join(_CONDITIONS)} would be right")  # fmt: skip


def _check_outputs(rule: Rule, table: Table, period: float) -> None:
    if not (rule.drop or rule.graphite or rule.prometheus):
        raise ValueError(
            'it has no output; graphite = "web.{status}", prometheus = "web" or drop = true would be right'
        )
    idle = [key for key in _OF_GRAPHITE if key in table] if not rule.graphite else []
    idle += ["buckets"] if rule.buckets and not rule.prometheus else []
    if idle:
        output = "prometheus" if idle[0] == "buckets" else "graphite"
        raise ValueError(f"{idle[0]} = {_shown(table[idle[0]])}: it says nothing without {output} = …")


def _check_every(rule: Rule, table: Table, period: float) -> None:
    times = rule.every / period
    if abs(times - round(times)) > 1e-9 or times < 1:
        raise ValueError(
            f"every = {_shown(table.get('every'))}: it is no multiple of the flush interval;"
            f" {max(math.ceil(times), 1) * period:g} would be right"
        )


def _check_paths(rule: Rule, table: Table, period: float) -> None:
    for template in rule.graphite:
        places, everything = placed(template), rule.by == ALL_LABELS
        if NAME in places and NAME in rule.by:
            raise ValueError(f'graphite = {_shown(template)}: {{name}} is the series\' name, and by has a'
                             ' label called so; rename = { name = "label" } would be right')  # fmt: skip
        unknown = [place for place in places if place != NAME and place not in rule.by]
        if unknown and not everything:
            raise ValueError(f"graphite = {_shown(template)}: {{{unknown[0]}}} is not in by;"
                             f" by = {_shown([*rule.by, unknown[0]])} would be right")  # fmt: skip
        missing = [label for label in rule.by if label not in places]
        if missing and not rule.tags:
            right = "tags = true" if everything else f"{template}.{{{missing[0]}}} or tags = true"
            raise ValueError(f"graphite = {_shown(template)}: groups that differ in {missing[0]} would have"
                             f" one path; {right} would be right")  # fmt: skip


def _check_stats(rule: Rule, table: Table, period: float) -> None:
    if rule.kind is not None and "stats" in table:
        never = [stat.name for stat in rule.stats if not has_stat(rule.kind, stat)]
        if never:
            raise ValueError(f"stats = {_shown(table['stats'])}: a {rule.kind.word} has no {never[0]}")
    kinds = Kind if rule.kind is None else (rule.kind,)
    if rule.bare and any(len(rule.stats_of(kind)) > 1 for kind in kinds):
        raise ValueError('bare = true: without the stat, paths of several are one; stats = ["count"] would be'
                         " right")  # fmt: skip


def _check_family(rule: Rule, table: Table, period: float) -> None:
    if rule.buckets and rule.kind not in (None, Kind.TIMER):
        raise ValueError(f"buckets = {_shown(table['buckets'])}: only timers have any")
    if rule.native and not rule.buckets:
        raise ValueError("native = true: in text it says nothing without buckets = …")


def _shown(value: object) -> str:
    """A value as TOML writes it, near enough to be found in the file."""
    return json.dumps(value, default=str, ensure_ascii=False)

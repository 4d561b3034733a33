"""Reads a mapping file: statsd_exporter's YAML into rules.

The file is read strictly, because a misspelt key that is skipped is a rule that silently
does something else: unknown keys, keys given twice, values of the wrong sort and options
that contradict the observer type are errors that name the rule, the key and the value.

Every scalar is taken as the text that stands in the file, so that the label ``code: 0200``
or ``country: no`` (Norway) is what was written and not a number or a truth value.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import fields, replace
from typing import Any, Final, NoReturn

import yaml

from metronome.errors import ConfigError
from metronome.fold.mapping_rules import KINDS, HistogramOptions, Mapping, Objective, Rule, SummaryOptions

_REFERENCE: Final = r"\$(?:\d+|\{\d+\})"
_GLOB = re.compile(r"(?:\*|[A-Za-z_][A-Za-z0-9_-]*)(?:\.(?:\*|[A-Za-z0-9_][A-Za-z0-9_-]*))*")
_NAME = re.compile(rf"(?:[A-Za-z_]|{_REFERENCE})(?:[A-Za-z0-9_]|{_REFERENCE})*")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPAN = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|μs|ms|s|m|h))+")
_SPAN_PART = re.compile(r"([0-9.]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_WORDS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "": False}
_CLASSES: Final = {
    "[:alpha:]": "A-Za-z",
    "[:digit:]": "0-9",
    "[:alnum:]": "0-9A-Za-z",
    "[:upper:]": "A-Z",
    "[:lower:]": "a-z",
    "[:word:]": r"\w",
    "[:space:]": r"\s",
    "[:punct:]": r"!-/:-@\[-`{-~",
    "[:xdigit:]": "0-9A-Fa-f",
}
"""Go's regular expressions have POSIX classes, Python's do not."""

_DEFAULTS: Final = (
    "observer_type",
    "match_type",
    "glob_disable_ordering",
    "ttl",
    "summary_options",
    "histogram_options",
)
_KEYS: Final = (
    "match",
    "name",
    "labels",
    "honor_labels",
    "observer_type",
    "match_type",
    "help",
    "action",
    "match_metric_type",
    "ttl",
    "summary_options",
    "histogram_options",
    "scale",
)


def load(text: str) -> Mapping:
    """Read a mapping file.  ``ConfigError`` names the rule, the key and the value."""
    try:
        content = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"the mapping file is not YAML: {_one_line(error)}") from error
    file = _Section("the mapping file", content or {}, ("defaults", "mappings"))
    defaults = _Section("defaults", file.get("defaults") or {}, _DEFAULTS)
    rule = Rule(match="", name="")
    rule = replace(
        rule,
        is_regex=defaults.choice("match_type", ("glob", "regex"), "glob") == "regex",
        observer_type=defaults.choice("observer_type", ("summary", "histogram"), ""),
        ttl=defaults.span("ttl", 0.0),
        summary=_summary(defaults, rule.summary),
        histogram=_histogram(defaults, rule.histogram),
    )
    entries = file.get("mappings") or []
    if not isinstance(entries, list):
        file.wrong("mappings", entries, "a list of rules would be right")
    rules = [_rule(number, entry, rule) for number, entry in enumerate(entries, 1)]
    said = "summary" if "summary_options" in defaults else ""
    default = replace(rule, observer_type=rule.observer_type or said)
    return Mapping(rules, ordered=not defaults.flag("glob_disable_ordering"), default=default)


def _rule(number: int, entry: object, default: Rule) -> Rule:
    section = _Section(f"mapping rule {number}", entry, _KEYS)
    match = section.text("match")
    section.title += f" ({match!r})"
    name = section.text("name")
    if not _NAME.fullmatch(name):
        section.wrong("name", name, "letters, digits, _ and references such as $1 or ${1} would be right")
    is_regex = (
        section.choice("match_type", ("glob", "regex"), "regex" if default.is_regex else "glob") == "regex"
    )
    if not is_regex and not _GLOB.fullmatch(match):
        section.wrong("match", match, "parts of letters, digits, _ and -, or *, between dots would be right")
    observer = section.choice("observer_type", ("summary", "histogram"), default.observer_type)
    if observer == "histogram" and section.get("summary_options"):
        section.wrong(
            "summary_options", "given", "the observer_type is histogram; histogram_options would be right"
        )
    if observer == "summary" and section.get("histogram_options"):
        section.wrong(
            "histogram_options", "given", "the observer_type is summary; summary_options would be right"
        )
    kind = section.choice("match_metric_type", tuple(KINDS), "") if "match_metric_type" in section else ""
    return Rule(
        match=match,
        name=name,
        labels=_labels(section),
        is_regex=is_regex,
        pattern=_pattern(section, match) if is_regex else None,
        kind=KINDS.get(kind),
        drop=section.choice("action", ("map", "drop"), "map") == "drop",
        honor_labels=section.flag("honor_labels"),
        observer_type=observer or "summary",
        help=section.optional_text("help"),
        ttl=section.span("ttl", 0.0) or default.ttl,
        scale=section.number("scale") if "scale" in section else None,
        summary=_summary(section, default.summary),
        histogram=_histogram(section, default.histogram),
    )


def _labels(section: _Section) -> tuple[tuple[str, str], ...]:
    labels = section.get("labels") or {}
    if not isinstance(labels, dict):
        section.wrong("labels", labels, "label names with their values would be right")
    for label, value in labels.items():
        if not _LABEL.fullmatch(label):
            section.wrong("labels", label, "a label name of letters, digits and _ would be right")
        if not isinstance(value, str):
            section.wrong(f"labels.{label}", value, "a text would be right")
    return tuple(sorted(labels.items()))


def _pattern(section: _Section, match: str) -> re.Pattern[str]:
    text = match.replace(r"\z", r"\Z")
    for word, inside in _CLASSES.items():
        text = text.replace(word, inside)
    try:
        return re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        section.wrong("match", match, f"it is no regular expression: {error}")


def _summary(section: _Section, default: SummaryOptions) -> SummaryOptions:
    keys = tuple(field.name for field in fields(SummaryOptions))
    options = _Section(f"{section.title}, summary_options", section.get("summary_options") or {}, keys)
    return SummaryOptions(
        quantiles=_objectives(options) or default.quantiles,
        max_age=options.span("max_age", 0.0) or default.max_age,
        age_buckets=options.whole("age_buckets") or default.age_buckets,
        buf_cap=options.whole("buf_cap") or default.buf_cap,
    )


def _objectives(options: _Section) -> tuple[Objective, ...]:
    entries = options.get("quantiles") or []
    if not isinstance(entries, list):
        options.wrong("quantiles", entries, "a list of quantile and error would be right")
    found: list[Objective] = []
    for entry in entries:
        one = _Section(f"{options.title}, quantiles", entry, ("quantile", "error"))
        objective = Objective(one.number("quantile"), one.number("error"))
        for key, value in zip(one.keys, objective, strict=True):
            if not 0 <= value <= 1:
                one.wrong(key, value, "a number from 0 to 1 would be right")
        if objective.quantile in [other.quantile for other in found]:
            one.wrong("quantile", objective.quantile, "each quantile once would be right")
        found.append(objective)
    return tuple(found)


def _histogram(section: _Section, default: HistogramOptions) -> HistogramOptions:
    keys = tuple(field.name for field in fields(HistogramOptions))
    options = _Section(f"{section.title}, histogram_options", section.get("histogram_options") or {}, keys)
    texts = options.get("buckets") or []
    if not isinstance(texts, list):
        options.wrong("buckets", texts, "a list of numbers would be right")
    buckets = tuple(options.number_of("buckets", text) for text in texts)
    if any(low >= high for low, high in itertools.pairwise(buckets)):
        options.wrong("buckets", list(buckets), "ascending numbers would be right")
    factor = options.number("native_histogram_bucket_factor") if keys[1] in options else 0.0
    return HistogramOptions(
        buckets=buckets or default.buckets,
        native_histogram_bucket_factor=factor or default.native_histogram_bucket_factor,
        native_histogram_max_buckets=options.whole(keys[2]) or default.native_histogram_max_buckets,
    )


class _Section:
    """One mapping of the file with its title for messages; checks its keys at once."""

    def __init__(self, title: str, content: object, keys: tuple[str, ...]):
        self.title = title
        self.keys = keys
        if not isinstance(content, dict):
            raise ConfigError(f"{title}: {content!r} has no keys; {', '.join(keys)} would be right")
        self._content: dict[Any, Any] = content
        for key in content:
            if key not in keys:
                raise ConfigError(
                    f"{title}: there is no key {key!r}; one of {', '.join(keys)} would be right"
                )

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def get(self, key: str) -> Any:
        """What stands under a key; an empty text where nothing does."""
        return self._content.get(key, "")

    def wrong(self, key: str, value: object, right: str) -> NoReturn:
        raise ConfigError(f"{self.title}: {key} = {value!r}: {right}")

    def optional_text(self, key: str) -> str:
        value = self.get(key)
        if not isinstance(value, str):
            self.wrong(key, value, "a text would be right")
        return value

    def text(self, key: str) -> str:
        value = self.optional_text(key)
        if not value:
            self.wrong(key, value, "it is missing or empty")
        return value

    def choice(self, key: str, words: tuple[str, ...], default: str) -> str:
        """One of some words; the first where the key is there and empty."""
        if key not in self:
            return default
        value = self.optional_text(key)
        if value not in words and (value or key == "match_metric_type"):
            self.wrong(key, value, f"one of {', '.join(words)} would be right")
        return value or words[0]

    def flag(self, key: str) -> bool:
        value = self.optional_text(key).lower()
        if value not in _WORDS:
            self.wrong(key, value, "true or false would be right")
        return _WORDS[value]

    def number(self, key: str) -> float:
        return self.number_of(key, self.get(key))

    def number_of(self, key: str, value: object) -> float:
        if not (isinstance(value, str) and _NUMBER.fullmatch(value) and math.isfinite(float(value))):
            self.wrong(key, value, "a number would be right")
        return float(value)

    def whole(self, key: str) -> int:
        value = self.number(key) if key in self else 0.0
        if not value.is_integer() or not 0 <= value < 1 << 32:
            self.wrong(key, value, "a whole number of at least 0 would be right")
        return int(value)

    def span(self, key: str, default: float) -> float:
        """Seconds, written as Go writes durations: ``1m30s``, ``500ms``, or 0."""
        if key not in self:
            return default
        value = self.optional_text(key)
        if value in ("", "0"):
            return 0.0
        if not _SPAN.fullmatch(value):
            self.wrong(key, value, "a time with units such as 30s, 1m20s or 2h would be right")
        return math.fsum(float(number) * _UNITS[unit] for number, unit in _SPAN_PART.findall(value))


class _Loader(yaml.BaseLoader):
    """All scalars are texts; keys given twice are errors; ``<<`` merges as YAML 1.1 has it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "expected keys and values", node.start_mark)
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            value = self.construct_object(value_node, deep=True)
            if not isinstance(key, str) or key in own:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice or is no text", key_node.start_mark
                )
            if key == "<<":
                for one in value if isinstance(value, list) else [value]:
                    merged = {**(one if isinstance(one, dict) else {"<<": one}), **merged}
            else:
                own[key] = value
        return {**merged, **own}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())

"""Reading mapping files: every key, and errors that say what is wrong where."""

from __future__ import annotations

import textwrap

import pytest

from metronome.errors import ConfigError
from metronome.fold.mapping import load
from metronome.fold.mapping_rules import HistogramOptions, Objective, SummaryOptions
from metronome.kernel.interface import Mapped
from metronome.model import Kind


def mappings(*lines: str) -> str:
    """A file with one rule of these lines."""
    return "mappings:\n- " + "\n  ".join(lines)


def test_every_key() -> None:
    """All keys of a rule are read."""
    (rule,) = load(
        textwrap.dedent(r"""
        mappings:
        - match: '(\w+)\.time'
          match_type: regex
          match_metric_type: observer
          name: ${1}_seconds
          labels:
            app: $1
            country: no
            code: 0200
          honor_labels: yes
          observer_type: histogram
          histogram_options:
            buckets: [1e-3, 0.1, 10]
            native_histogram_bucket_factor: 1.5
            native_histogram_max_buckets: 100
          help: How long it took
          action: map
          ttl: 1h2m3.5s
          scale: 1e-3
        """)
    ).rules
    assert rule.pattern is not None
    assert rule.is_regex
    assert rule.kind is Kind.TIMER
    assert rule.name == "${1}_seconds"
    assert rule.labels == (("app", "$1"), ("code", "0200"), ("country", "no"))
    assert rule.honor_labels
    assert rule.observer_type == "histogram"
    assert rule.histogram == HistogramOptions((0.001, 0.1, 10.0), 1.5, 100)
    assert rule.help == "How long it took"
    assert rule.drop is False
    assert rule.ttl == 3723.5
    assert rule.scale == 0.001


def test_defaults() -> None:
    """What a rule leaves open comes from the defaults, option by option."""
    first, second, third = load(
        textwrap.dedent("""
        defaults:
          observer_type: summary
          match_type: regex
          ttl: 90s
          summary_options:
            quantiles:
              - {quantile: 0.5, error: 0.1}
            max_age: 5m
            age_buckets: 3
            buf_cap: 100
          histogram_options:
            buckets: [1, 2]
        mappings:
        - match: a
          name: a
        - match: b
          name: b
          ttl: 5s
          summary_options:
            max_age: 1m
        - match: c.*
          match_type: glob
          name: c
          observer_type: histogram
        """)
    ).rules
    assert first.is_regex
    assert first.ttl == 90
    assert first.observer_type == "summary"
    assert first.summary == SummaryOptions((Objective(0.5, 0.1),), 300, 3, 100)
    assert (second.ttl, second.summary) == (5, SummaryOptions((Objective(0.5, 0.1),), 60, 3, 100))
    assert not third.is_regex
    assert third.histogram.buckets == (1, 2)
    assert third.histogram.native_histogram_bucket_factor == 1.1


def test_nothing_given() -> None:
    """Without defaults: glob, in order, summary with three quantiles, never forgotten."""
    mapping = load(mappings("match: a.*", "name: a", "labels: {}"))
    (rule,) = mapping.rules
    assert not rule.is_regex
    assert rule.kind is None
    assert rule.observer_type == "summary"
    assert [one.quantile for one in rule.summary.quantiles] == [0.5, 0.9, 0.99]
    assert rule.ttl == 0
    assert rule.scale is None
    assert rule.histogram.buckets[0] == 0.005


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "mappings:\n", "defaults:\nmappings: []\n"])
def test_empty_files(text: str) -> None:
    """An empty file maps nothing."""
    mapping = load(text)
    assert mapping.rules == ()
    assert mapping.apply("a", Kind.GAUGE) == Mapped("a", ruled=False)


def test_anchors_and_merging() -> None:
    """Anchors, aliases and ``<<`` work; what a rule says itself stands before what it merges."""
    text = textwrap.dedent("""
    mappings:
    - &base
      match: a.*
      name: a
      ttl: 5s
      labels: &labels
        site: $1
    - <<: *base
      match: b.*
      labels:
        <<: [*labels, {site: other, more: x}]
    """)
    first, second = load(text).rules
    assert (second.match, second.name, second.ttl) == ("b.*", "a", 5)
    assert first.labels == (("site", "$1"),)
    assert second.labels == (("more", "x"), ("site", "$1"))


def test_glob_disable_ordering() -> None:
    """The switch reaches the rules."""
    rules = "mappings: [{match: a.*, name: general}, {match: a.b, name: special}]\n"
    for text, name in ((rules, "general"), ("defaults: {glob_disable_ordering: true}\n" + rules, "special")):
        found = load(text).find("a.b", Kind.GAUGE)
        assert found is not None
        assert found.name == name


def test_posix_classes() -> None:
    """Go's character classes and end of text are understood."""
    mapping = load(mappings("match: '^([[:alpha:]_]+)[[:digit:]]+\\z'", "match_type: regex", "name: $1"))
    found = mapping.find("web_12", Kind.GAUGE)
    assert found is not None
    assert found.name == "web_"
    assert mapping.find("web_12x", Kind.GAUGE) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mappings: 5", "mappings = '5'"),
        ("- a", "the mapping file"),
        ("mapping: []", "there is no key 'mapping'"),
        ("defaults: {timer_type: summary}", "there is no key 'timer_type'"),
        ("defaults: {ttl: ten}", "defaults: ttl = 'ten'"),
        ("mappings: [a]", "mapping rule 1: 'a'"),
        ("mappings: [{name: a}]", "mapping rule 1: match = ''"),
        (mappings("match: a"), "mapping rule 1 ('a'): name = ''"),
        (mappings("match: a", "name: 0a"), "name = '0a'"),
        (mappings("match: a", "name: a-b"), "name = 'a-b'"),
        (mappings("match: a..b", "name: a"), "match = 'a..b'"),
        (mappings("match: 0a.b", "name: a"), "match = '0a.b'"),
        (mappings("match: a*.b", "name: a"), "match = 'a*.b'"),
        (mappings("match: '*a('", "match_type: regex", "name: a"), "match = '*a('"),
        (mappings("match: 'a{99999999999999999999}'", "match_type: regex", "name: a"), "regular expression"),
        (mappings("match: a", "name: a", "match_type: pcre"), "match_type = 'pcre': one of glob, regex"),
        (mappings("match: a", "name: a", "match_metric_type: ''"), "match_metric_type = ''"),
        (mappings("match: a", "name: a", "action: stop"), "action = 'stop'"),
        (mappings("match: a", "name: a", "observer_type: heatmap"), "observer_type = 'heatmap'"),
        (mappings("match: a", "name: a", "ttl: 10"), "ttl = '10'"),
        (mappings("match: a", "name: a", "ttl: -1s"), "ttl = '-1s'"),
        (mappings("match: a", "name: a", "ttl: [1s]"), "ttl = ['1s']"),
        (mappings("match: a", "name: a", "scale: big"), "scale = 'big'"),
        (mappings("match: a", "name: a", "scale: 1e999"), "scale = '1e999'"),
        (mappings("match: a", "name: a", "honor_labels: maybe"), "honor_labels = 'maybe'"),
        (mappings("match: a", "name: a", "labels: [x]"), "labels = ['x']"),
        (mappings("match: a", "name: a", "labels: {a-b: x}"), "labels = 'a-b'"),
        (mappings("match: a", "name: a", "labels: {a: [x]}"), "labels.a = ['x']"),
        (mappings("match: a", "name: a", "name: b"), "'name' stands here twice"),
        (
            mappings("match: a", "name: a", "observer_type: histogram", "summary_options: {max_age: 1s}"),
            "summary_options",
        ),
        (
            mappings("match: a", "name: a", "observer_type: summary", "histogram_options: {buckets: [1]}"),
            "histogram_options",
        ),
        (mappings("match: a", "name: a", "histogram_options: {buckets: [2, 1]}"), "buckets = [2.0, 1.0]"),
        (mappings("match: a", "name: a", "histogram_options: {buckets: 2}"), "buckets = '2'"),
        (mappings("match: a", "name: a", "summary_options: {age_buckets: 1.5}"), "age_buckets = 1.5"),
        (mappings("match: a", "name: a", "summary_options: {quantiles: 1}"), "quantiles = '1'"),
        (
            mappings("match: a", "name: a", "summary_options: {quantiles: [{quantile: 2, error: 0}]}"),
            "quantile = 2.0",
        ),
        (
            mappings("match: a", "name: a", "summary_options: {quantiles: [{quantile: 0.5}]}"),
            "error = ''",
        ),
        (
            mappings(
                "match: a",
                "name: a",
                "summary_options: {quantiles: [{quantile: 0.5, error: 0}, {quantile: 0.5, error: 0}]}",
            ),
            "each quantile once",
        ),
        ("mappings: [", "not YAML"),
        ("a: &x [*x]", "not YAML"),
        ("[" * 5000, "not YAML"),
    ],
)
def test_errors(text: str, says: str) -> None:
    """An error names the rule, the key and the value, in one line."""
    with pytest.raises(ConfigError) as raised:
        load(text)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_rule_is_named_by_number_and_match() -> None:
    """Of many rules the wrong one is named."""
    text = "mappings:\n- {match: a, name: a}\n- {match: b.*, name: b, ttl: soon}\n"
    with pytest.raises(ConfigError, match=r"^mapping rule 2 \('b\.\*'\): ttl = 'soon': "):
        load(text)

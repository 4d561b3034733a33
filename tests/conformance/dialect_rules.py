"""The decisions of ``doc/dialects.md``: each with its reason, and which lines it speaks of.

A rule says for which direction it may stand against other parsers: ``accepts`` where we take a line
that most of them refuse, ``refuses`` (reasons of the closed list) where we refuse one that some take.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

SIGNED = re.compile(rb"[:][+-]|:=")
TAGS = re.compile(rb"\|#")


class View:
    """A line, cut as far as every parser would agree on it."""

    def __init__(self, raw: bytes):
        self.raw = raw
        self.is_event = raw.startswith((b"_e", b"_x{"))
        self.is_check = raw.startswith(b"_sc|")
        self.name, self.colon, rest = raw.partition(b":")
        self.values, self.bar, tail = rest.partition(b"|")
        self.type, *self.fields = tail.split(b"|")
        self.word = self.type.partition(b":")[0]
        self.is_sample = not (self.is_event or self.is_check)
        tagged = [index for index, field in enumerate(self.fields) if field[:1] == b"#"]
        self.untagged = self.fields[: tagged[0]] if tagged else self.fields
        self.tags = b",".join(self.fields[index][1:] for index in tagged)
        self.sections = len(tagged)

    def has(self, mark: bytes) -> bool:
        """Whether a field begins like that."""
        return any(field.startswith(mark) for field in self.fields)


class Rule(NamedTuple):
    """One decision.  ``examples`` are cases whose rows of the table stand under it."""

    title: str
    decision: str
    why: str
    examples: tuple[str, ...]
    speaks_of: Callable[[View], bool]
    accepts: bool = False
    refuses: tuple[str, ...] = ()


def is_plain(view: View) -> bool:
    """One value of a type that all know, and nothing else."""
    return view.is_sample and view.word in (b"c", b"g", b"ms", b"h") and bool(view.colon)


def is_grouped(view: View) -> bool:
    """Groups behind the type or behind a rate."""
    heads = [field for field in view.untagged if field[:1] == b"@"]
    return view.is_sample and (b":" in view.type or any(b":" in head for head in heads))


def has_odd_number(view: View) -> bool:
    """A value that is no run of digits."""
    if not view.is_sample or view.word == b"s":
        return False
    plain = re.compile(rb"[+=-]?[0-9]+(\.[0-9]+)?")
    return not all(plain.fullmatch(value) for value in view.values.split(b":") if value)


def has_odd_field(view: View) -> bool:
    """A field that no protocol names, or an empty one."""
    known = (b"@", b"#", b"T", b"c:", b"e:", b"card:")
    grouped = is_grouped(view)
    return view.is_sample and any(not field.startswith(known) for field in view.fields) and not grouped


def has_origin(view: View) -> bool:
    """A container id, external data or cardinality."""
    origin = re.compile(rb"(c|e|card):|c\Z")
    return view.is_sample and any(origin.match(field) for field in view.fields)


def repeats(view: View) -> bool:
    """A second rate or a second section of tags."""
    rates = sum(field[:1] == b"@" for field in view.fields)
    return view.is_sample and not is_grouped(view) and (rates > 1 or view.sections > 1)


def has_tag_in_name(view: View) -> bool:
    """A mark of one of the four styles in the name."""
    return view.is_sample and bool(re.search(rb"[,;#\[\]]", view.name))


def is_unclean(view: View) -> bool:
    """A name with characters that statsd's sanitising touches, or none at all."""
    name = re.sub(rb"[,;#\[\]].*", b"", view.name)
    odd = re.search(rb"[^a-zA-Z0-9_.-]|\.\.|^\.", name)
    return view.is_sample and bool(odd or not view.name)


def is_malformed(view: View) -> bool:
    """No colon, or nothing behind it that could be a type."""
    return not view.is_check and (not view.colon or not view.bar or b"|" in view.name)


RULES = (
    Rule(
        "Plain lines",
        "`c` counts, `g` sets a gauge, `ms` and `h` are timers. Values stay in the unit sent; nothing is "
        "turned into seconds.",
        "The five agree. statsd's own counting of `h` is its fallback for types it does not know.",
        ("diff-0010", "diff-0132"),
        is_plain,
    ),
    Rule(
        "Types",
        "Known are `c` and `m` (counters), `C` (a counter's running total), `ms`, `h` and `d` (timers), `g`, "
        "`kv` (a gauge whose sign is a sign), `s`. Any other type is refused by name (`bad_type`).",
        "`d` is DogStatsD's, `kv` statsite's, `C` brubeck's: of a running total the difference to the last "
        "one counts, or all of one that is lower; the first is where it starts. statsd would add the totals "
        "up, but only because it counts everything that it does not know; `m` is known by that alone, and "
        "its clients mean a meter. Doing so with every word "
        "turns a typing error into a series that means something else; taking the first "
        "letter, as veneur does, guesses.",
        ("diff-0133", "diff-0450", "diff-0465", "diff-0499", "diff-0457"),
        lambda view: view.is_sample and bool(view.bar) and view.word not in (b"c", b"g", b"ms", b"h", b"s"),
        accepts=True,
        refuses=("bad_type",),
    ),
    Rule(
        "Sets",
        "A member is any text, colons, signs and all; it is never read as a number.",
        "Users, addresses and keys have colons in them. Four of five take sets; of those that see "
        "`abc:def` one keeps it whole, as DogStatsD's documentation has it.",
        ("diff-0017", "diff-0287", "diff-0404"),
        lambda view: view.is_sample and view.word == b"s",
        accepts=True,
    ),
    Rule(
        "Packed values",
        "`a:1:2:3|ms` is three samples, for every type but sets. Empty items are skipped; a list of "
        "nothing but empty items has no samples and is not refused.",
        "DogStatsD 1.1, and what its clients send to save datagrams. Reading only the last value, as "
        "statsd does, loses samples without a word. An empty value is not zero.",
        ("diff-0118", "diff-0121", "diff-0437", "diff-0454"),
        lambda view: (
            view.is_sample
            and view.word != b"s"
            and (b":" in view.values or not view.values)
            and bool(view.bar)
        ),
        accepts=True,
    ),
    Rule(
        "Grouped values",
        "`a:1|c:2|ms` is two groups, each with its own type and rate; tags, time and all else are the "
        "line's. Behind the first tag a colon belongs to the tag.",
        "statsd's form for several values a line. Packed and grouped values can be told apart, so both "
        "are read, also in one line; container fields (`|c:`) cannot open a group, because they are "
        "fields of their own and groups begin behind a type.",
        ("diff-0335", "diff-0337", "diff-0340"),
        is_grouped,
        accepts=True,
    ),
    Rule(
        "Signed gauges and `=`",
        "A sign in front of a gauge's value changes the gauge (`gauge_sign = delta`, the default) or is "
        "the sign of the value (`absolute`). `a:=-5|g` sets it to -5 under both. With `|T` a sign is a "
        "sign: there is nothing in the past to add to.",
        "statsd_exporter tells such a line as a change, gostatsd and veneur as a value, and the other two "
        "cannot be told apart by one line (their own tests want a change). Both meanings have users and the "
        "line does not tell, so it is a switch of the receiver; `=` is ours, for those who must set a "
        "negative gauge without setting it to 0 first.",
        ("diff-0203", "diff-0207"),
        lambda view: view.is_sample and view.word == b"g" and bool(SIGNED.match(b":" + view.values)),
    ),
    Rule(
        "Signs of other values",
        "Negative counters and timers are kept; a `+` is a sign.",
        "A counter may be corrected, and clocks step: a negative timing says so.",
        ("diff-0325", "diff-0488", "diff-0288"),
        lambda view: (
            view.is_sample and view.word not in (b"g", b"s") and bool(SIGNED.match(b":" + view.values))
        ),
        accepts=True,
    ),
    Rule(
        "Numbers",
        "Decimals with an optional exponent; `5.` and `.5` are numbers. Blanks around one, around a type and "
        "at the end of a line are not part of it. Values and rates may be literals as Go reads them "
        "(`1_000`, `0x1.8p-3`), and whole numbers as JavaScript does (`0x1f`, `0o17`, `0b11`). Units and "
        "text are refused (`bad_value`).",
        "What any of the five reads is read: blanks because shell scripts send them (`wc -l` puts some in "
        "front), the rest because they ask their language what a number is. A typing error that one of "
        "them takes for a number is one here as well.",
        ("diff-0466", "diff-0470", "diff-0472", "diff-0467", "diff-0177"),
        has_odd_number,
        accepts=True,
        refuses=("bad_value",),
    ),
    Rule(
        "NaN and infinities",
        "`nan`, `inf` and `infinity` in any case, and decimals too large for a double, are refused "
        "(`not_finite`); so is a value that overflows when it is divided by its rate.",
        "One of them would poison every sum, mean and percentile that it is added to, and does so where "
        "it is accepted. A reason of its own, because a sender that divides by zero is another fault "
        "than one that sends text.",
        ("diff-0062", "diff-0349", "diff-0475"),
        lambda view: view.is_sample and bool(re.fullmatch(rb"(?i)[+-]?(nan|inf|infinity)", view.values)),
        refuses=("not_finite",),
    ),
    Rule(
        "Rates",
        "A rate is a number in (0, 1]; anything else refuses the line (`bad_rate`), whatever the type. "
        "Samples are weighted by exactly 1/rate, also in percentiles and where 1/rate is no integer. "
        "Gauges and sets do not use theirs.",
        "There is no right weight for a sample of an impossible rate: of `@0` one makes a rate of 0, two "
        "make 1, one an infinity, and one refuses it. Repeating a sample int(1/rate) times, as two do, "
        "makes 3 of `@0.3` where 3.33 were meant.",
        ("diff-0179", "diff-0354", "diff-0462", "diff-0329", "diff-0489"),
        lambda view: view.is_sample and (view.has(b"@") or is_grouped(view)),
        refuses=("bad_rate",),
    ),
    Rule(
        "Repeated fields",
        "Several sections of tags are one; of several rates or times the last stands.",
        "A repeated field is odd and harmless. Rates: the last as in gostatsd; multiplying them (one "
        "parser) or taking the first (two) has no more reason, and a rule must be one.",
        ("diff-0356", "diff-0357"),
        repeats,
    ),
    Rule(
        "Unknown and empty fields",
        "They are skipped and fail nothing.",
        "Clients of a later protocol version must not lose samples here. What can be read is good.",
        ("diff-0182", "diff-0353", "diff-0416", "diff-0048", "diff-0485"),
        has_odd_field,
        accepts=True,
    ),
    Rule(
        "Container, external data, cardinality",
        "`|c:`, `|e:` and `|card:` become the labels `container_id`, `external_data` and `cardinality` "
        "where a receiver is told to keep them, and are skipped otherwise (shown here: skipped).",
        "DogStatsD 1.2 to 1.6 clients send them unasked, and a container id a series multiplies the "
        "series. Gluing them to the last tag, as statsd does, makes them part of its value.",
        ("diff-0028", "diff-0186", "diff-0432", "diff-0433"),
        has_origin,
        accepts=True,
    ),
    Rule(
        "Timestamps",
        "`|T` on counters and gauges is the sample's time: it goes to its own period. On timers and sets it "
        "says nothing. One that is no number, not above 0 or later than the year 9999 refuses the line "
        "(`bad_time`).",
        "DogStatsD 1.3. None of the five honours it: those that take the line put the sample to now, which "
        "is a wrong point. A time that cannot be read would make one too.",
        ("diff-0198", "diff-0199", "diff-0420"),
        lambda view: view.is_sample and view.has(b"T"),
        refuses=("bad_time",),
    ),
    Rule(
        "DogStatsD tags",
        "A tag without a value gets the value `true`; `k:` keeps its empty value; of a repeated tag the "
        "last stands; empty tags and such without a name are dropped; one `#` in front of a tag is not "
        "part of it; characters that a label name cannot have become `_`; everything behind the first "
        "colon is the value.",
        "Labels are a map, so there is one value for a name. Dropping valueless tags, as one does, loses "
        "what users filter by. Empty tags come from joins of empty lists and say nothing.",
        ("diff-0005", "diff-0117", "diff-0021", "diff-0147", "diff-0440", "diff-0481"),
        lambda view: view.is_sample and bool(TAGS.search(view.raw)),
    ),
    Rule(
        "Tags in the name",
        "Influx `name,k=v`, Librato `name#k=v`, SignalFx `name[k=v]` and Graphite `name;k=v` are labels, "
        "each switchable per receiver. Tags without name or value are dropped. A mark that no `=` follows "
        "is part of the name, and so is a lone bracket.",
        "Four camps, one meaning. What is not understood as tags elsewhere becomes part of the name "
        "there, and is one series for each combination all the same.",
        ("diff-0135", "diff-0137", "diff-0138", "diff-0143", "diff-0487"),
        has_tag_in_name,
    ),
    Rule(
        "Mixed styles",
        "Two styles in one name, or tags in the name and DogStatsD's behind it, are refused "
        "(`mixed_tag_styles`).",
        "Which of them the sender meant cannot be known; as in statsd_exporter. A receiver that has one of "
        "the styles switched off takes the line.",
        ("diff-0156",),
        lambda view: has_tag_in_name(view) and b"=" in view.name and bool(view.sections),
        refuses=("mixed_tag_styles",),
    ),
    Rule(
        "Names",
        "Without labels a name is sanitised as statsd does: blanks become `_`, `/` becomes `-`, everything "
        "but `[a-zA-Z0-9_.;=-]` goes. With labels it is kept as sent, without control characters. An "
        "empty name is refused (`bad_name`).",
        "Untagged names are Graphite's, and dashboards are built on what statsd made of them; tagged ones "
        "come from systems that change nothing. Dots are never folded. A sample without a name has no "
        "series.",
        ("diff-0014", "diff-0015", "diff-0343", "diff-0439", "diff-0414", "diff-0492"),
        is_unclean,
        refuses=("bad_name",),
    ),
    Rule(
        "Text that is no UTF-8",
        "Bytes that are not UTF-8 are replaced by U+FFFD; in untagged names they go with everything else "
        "that statsd drops. The sample is good.",
        "The number is right whatever the label is encoded in. One parser refuses the line.",
        ("diff-0183", "diff-0210", "diff-0410"),
        lambda view: bool(re.search(rb"[\x80-\xff]", view.raw)),
    ),
    Rule(
        "Lines that are none",
        "A line without a colon behind the name, or without a type, is refused (`malformed_line`). Empty "
        "lines are nothing, one `\\r` before the `\\n` is not part of a line, and a bad line never costs its "
        "neighbours.",
        "There is nothing to guess from.",
        ("diff-0184", "diff-0284", "diff-0285", "diff-0258"),
        is_malformed,
        refuses=("malformed_line",),
    ),
    Rule(
        "Events",
        "`_e{T,X}:title|text` is an event when it has a title and both lengths (in bytes) fit. Metadata "
        "that is unknown or cannot be used is left out and the event kept. Lengths that do not fit are "
        "refused (`bad_event`). What begins otherwise is a sample's line.",
        "Lengths are there so that texts may hold bars: one that does not fit says that the line was cut. "
        "Everything behind the text may grow with the protocol.",
        ("diff-0064", "diff-0065", "diff-0070", "diff-0103", "diff-0096"),
        lambda view: view.is_event,
        accepts=True,
        refuses=("bad_event", "bad_type"),
    ),
    Rule(
        "Service checks",
        "`_sc|name|status` with a name and a status of 0 to 3 is kept as an event; its metadata as above. "
        "Anything else is refused (`bad_event`).",
        "As in DogStatsD. Those that refuse it know no checks.",
        ("diff-0225", "diff-0371", "diff-0227", "diff-0229"),
        lambda view: view.is_check,
        accepts=True,
        refuses=("bad_event",),
    ),
)

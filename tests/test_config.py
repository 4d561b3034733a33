"""Settings: which place wins, what is refused and how it is said."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from metronome.addresses import Address
from metronome.config import describe, dialect_of, load, needs_restart, read_book
from metronome.errors import ConfigError
from metronome.fold.rules import Book
from metronome.fold.statsd import HistogramRule, Naming
from metronome.gateway.idle import Spans
from metronome.kernel.interface import Dialect
from metronome.store.interface import Retention
from metronome.values import TAG_STYLES


@pytest.fixture
def toml(tmp_path: Path):
    """Writes a settings file and gives its path."""

    def write(text: str) -> str:
        file = tmp_path / "metronome.toml"
        file.write_text(text)
        return str(file)

    return write


def test_the_defaults_are_the_contract() -> None:
    """Nothing given: the addresses, store and periods that the documentation promises."""
    config = load({}, {})
    assert config.data_dir == Path("var").absolute()
    assert [str(address) for address in config.statsd] == ["udp://127.0.0.1:8125", "tcp://127.0.0.1:8125"]
    assert [str(address) for address in config.graphite] == ["tcp://127.0.0.1:2003", "udp://127.0.0.1:2003"]
    assert config.http == (Address("tcp", "127.0.0.1", 8080),)
    assert (config.store, config.flush_interval, config.graphite_out) == ("duckdb:", 10, ())
    assert config.retention == Retention()
    assert config.dialect.gauge_delta
    assert not config.warnings


def test_option_wins_over_environment_over_file_over_default(toml) -> None:
    """Each place gives way to the next higher one."""
    file = toml('flush-interval = 2\ndata-dir = "/in/file"\nstore = "memory:"\n')
    environment = {"METRONOME_CONFIG": file, "METRONOME_FLUSH_INTERVAL": "3", "METRONOME_DATA_DIR": "/in/env"}
    config = load({"flush-interval": "4"}, environment)
    assert config.flush_interval == 4
    assert config.data_dir == Path("/in/env")
    assert config.store == "memory:"
    assert config.limits.http_idle == 60
    origins = {setting.key.name: setting.origin for setting in config.settings}
    assert origins["flush-interval"] == "option --flush-interval"
    assert origins["data-dir"] == "environment METRONOME_DATA_DIR"
    assert origins["store"] == f"file {file}"
    assert origins["http"] == "default"


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ({"graphite": ["tcp://a:1", "udp://b:2"]}, {}, ["tcp://a:1", "udp://b:2"]),
        ({"graphite": [""]}, {}, []),
        ({}, {"METRONOME_GRAPHITE": ""}, []),
        ({}, {"METRONOME_GRAPHITE": "tcp://a:1, udp://b:2"}, ["tcp://a:1", "udp://b:2"]),
        ({"graphite": ["tcp://c:3"]}, {"METRONOME_GRAPHITE": "tcp://a:1,udp://b:2"}, ["tcp://c:3"]),
    ],
)
def test_addresses_given_replace_the_defaults(given, environment, expected) -> None:
    """A list replaces the list of a lower place; an empty address switches the receiver off."""
    assert [str(address) for address in load(given, environment).graphite] == expected


@pytest.mark.parametrize("text", ["graphite = []", 'graphite = ""', "graphite = ['']"])
def test_the_file_can_switch_a_receiver_off(toml, text: str) -> None:
    """No address, an empty text or an empty list."""
    assert load({"config": toml(text)}, {}).graphite == ()


def test_tables_and_their_variables_are_read(toml) -> None:
    """Keys of tables: underscores are dashes, and the environment reaches them as well."""
    file = toml(
        '[dialect]\ngauge_sign = "absolute"\ntag-styles = ["graphite"]\n'
        "[retention]\npoints = ['10s:1d', '1m:1y']\n[limits]\njournal = '1GiB'\n"
    )
    environment = {"METRONOME_LIMITS_HTTP_IDLE": "5m", "METRONOME_PROMETHEUS_PUBLIC": "yes"}
    config = load({"config": file}, environment)
    assert not config.dialect.gauge_delta
    assert config.dialect.graphite_tags
    assert not config.dialect.dogstatsd_tags
    assert [tuple(rung) for rung in config.retention.ladder] == [(10, 86400), (60, 365 * 86400)]
    assert config.limits.journal == 1 << 30
    assert config.limits.http_idle == 300
    assert config.prometheus.public


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("flush-intervall = 3", "flush-intervall = 3: there is no such key; flush-interval would be right"),
        ("[limits]\njornal = 3", "limits.jornal = 3: there is no such key; limits.journal would be right"),
        ("[nonsense]\na = 1", "nonsense"),
        ("limits = 3", "limits = 3: it is a table; [limits]"),
        ("config = 'a'", "there is no such key"),
        ("flush-interval = 'soon'", 'flush-interval = "soon" (file'),
        ("statsd = ['udp://a:1', 'udp://b']", 'statsd = "udp://b" (file'),
        ("statsd = [1979-05-27]", "statsd = "),
        ("[retention]\npoints = ['10s:2d', '15s:3d']", "retention.points"),
        ("a = = 1", "is not TOML"),
    ],
)
def test_a_bad_file_is_an_error_that_names_it(toml, text: str, says: str) -> None:
    """The key, the value, and the nearest right one."""
    with pytest.raises(ConfigError) as raised:
        load({"config": toml(text)}, {})
    assert says in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path and the system's reason."""
    with pytest.raises(ConfigError, match="No such file"):
        load({"config": str(tmp_path / "none.toml")}, {})


def test_a_bad_variable_is_named_and_an_unknown_one_is_warned_of() -> None:
    """The environment's errors name the variable; strangers are no error."""
    with pytest.raises(ConfigError, match="environment METRONOME_FLUSH_INTERVAL"):
        load({}, {"METRONOME_FLUSH_INTERVAL": "0"})
    config = load({}, {"METRONOME_GRAFITE": "", "METRONOME_PURE": "1", "OTHER": "x"})
    assert config.warnings == (
        "environment variable METRONOME_GRAFITE names no setting; METRONOME_GRAPHITE would be right",
    )


def test_the_printed_configuration_gives_the_same(toml) -> None:
    """What ``--check-config`` prints is a file with the same meaning."""
    first = load({"statsd": ["udp://[::1]:0"], "graphite": [""]}, {"METRONOME_FLUSH_INTERVAL": "5"})
    printed = describe(first)
    assert tomllib.loads(printed)["graphite"] == []
    second = load({"config": toml(printed)}, {})
    assert second.statsd == first.statsd
    assert second.graphite == ()
    assert second.flush_interval == 5
    assert (second.naming, second.limits) == (first.naming, first.limits)
    assert second.retention == first.retention


ROLLUP = """
rules = ["tags"]
[[rollup]]
match = "http.*"
where = { "http.status" = "5*" }
by = ["country"]
every = 20
graphite = ["web.{country}", "x"]
tags = true
[[rollup]]
match = "debug"
drop = true
"""


def test_rules_are_read_printed_and_read_again(toml) -> None:
    """Rules and default sets of the file; SIGHUP takes the new ones, unless an option says more."""
    file = toml(ROLLUP)
    first = load({"config": file}, {})
    assert [rule.match for rule in first.book.rules] == ["http.*", "debug"]
    assert first.book.sets == ("tags",)
    assert load({"config": toml(describe(first))}, {}).book == first.book
    toml('rules = ["statsd"]\n[[rollup]]\nmatch = "new"\nprometheus = "new"\n')
    again = read_book(first)
    assert [rule.match for rule in again.rules] == ["new"]
    assert again.sets == ("statsd",)
    by_option = load({"config": file, "rules": ["prometheus"]}, {})
    assert read_book(by_option).sets == ("prometheus",)
    assert read_book(load({}, {})) == Book()


def test_what_takes_a_restart(toml) -> None:
    """Settings and clusters of the file that are others than those that hold; rules are not among them,
    nor what an option or a variable decides."""
    cluster = '[[graphite-cluster]]\nname = "c"\npolicy = "any_of"\nmembers = ["127.0.0.1:2003"]\n'
    file = toml("flush-interval = 5\n" + ROLLUP + cluster)
    running = load({"config": file, "store": "memory://"}, {"METRONOME_WORKERS": "2"})
    assert needs_restart(running) == ()
    toml('rules = ["statsd"]\nflush_interval = 5.0\nworkers = 4\nstore = "duckdb:x"\n' + cluster)
    assert needs_restart(running) == ()
    toml("flush-interval = 2\n[limits]\nseries = 5\n" + cluster.replace("2003", "2004"))
    assert needs_restart(running) == ("flush-interval", "limits.series", "graphite-cluster")
    toml("")
    assert needs_restart(running) == ("flush-interval", "graphite-cluster")
    assert needs_restart(load({}, {})) == ()
    toml("flush-interval = []")
    with pytest.raises(ConfigError):
        needs_restart(running)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[rollup]]\nmatch = "a"', "rollup 1: it has no output"),
        ('[rollup]\nmatch = "a"', "rollup is no list of tables"),
        ('[[rolup]]\nmatch = "a"', "rollup would be right"),
        ('[[rollup]]\nmatch = "a"\nevery = 25\ngraphite = "x"', "30 would be right"),
        ('rules = ["statd"]', "rules = "),
    ],
)
def test_bad_rules_are_named_and_never_read_again(toml, text: str, says: str) -> None:
    """At the start and at SIGHUP the same; the file has to be right as a whole."""
    running = load({"config": toml(ROLLUP)}, {})
    file = toml(text)
    for read in (lambda: load({"config": file}, {}), lambda: read_book(running)):
        with pytest.raises(ConfigError, match=re.escape(says)):
            read()


def test_statsd_names_are_set_by_statsd_keys(toml) -> None:
    """Each key of [names] reaches the naming of the converter; the defaults are its own."""
    assert load({}, {}).naming == Naming()
    file = toml(
        "[names]\nlegacy-namespace = true\nprefix-timer = 't'\npercent-threshold = [50, -10]\n"
        "timer-stats = ['mean']\nhistogram = ['http:10:inf']\nflush-counts = false\ndelete-idle = true\n"
    )
    config = load({"config": file}, {})
    assert config.idle == Spans(0, 0, 0, 0)
    assert config.naming == Naming(
        legacy=True,
        prefix_timer="t",
        thresholds=(50.0, -10.0),
        calculated=("mean",),
        histogram=(HistogramRule("http", (10.0, float("inf"))),),
        flush_counts=False,
    )


def test_each_kind_may_be_idle_for_another_time(toml) -> None:
    """What is said of a kind stands before delete-idle."""
    assert load({}, {}).idle == Spans()
    file = toml("[names]\nidle-gauges = '30s'\nidle-sets = 0\n")
    assert load({"config": file}, {}).idle == Spans(gauges=30, sets=0)
    file = toml("[names]\nidle-gauges = '24h'\ndelete-idle = true\n")
    assert load({"config": file}, {}).idle == Spans(0, 86_400, 0, 0)


def test_an_address_may_say_how_it_reads_signed_gauges() -> None:
    """``gauge_sign`` of an address stands over the dialect's."""
    config = load({"statsd": ["udp://a:1?gauge_sign=absolute", "udp://a:2"]}, {})
    assert [dialect_of(config, address).gauge_delta for address in config.statsd] == [False, True]


def test_an_address_may_say_what_it_reads() -> None:
    """Tag styles and container labels of an address stand over the dialect's."""
    some = "udp://a:1?tag_styles=influx+dogstatsd&container_labels=yes"
    statsd = [some, "udp://a:2?tag-styles=none", "udp://a:3"]
    config = load({"statsd": statsd, "graphite": "tcp://a:4?tag_styles=librato"}, {})
    first, second, third = (dialect_of(config, address) for address in config.statsd)
    assert first == Dialect(
        librato_tags=False, signalfx_tags=False, graphite_tags=False, container_labels=True
    )
    assert not any(getattr(second, f"{style}_tags") for style in TAG_STYLES)
    assert third == Dialect()
    assert not dialect_of(config, config.graphite[0]).graphite_tags


@pytest.mark.parametrize("styles", ["", "dogstatsd+carbon", "influx,librato", "+"])
def test_styles_that_nobody_knows(styles: str) -> None:
    """The message says what would be right."""
    with pytest.raises(ConfigError, match=r"dogstatsd\+influx\+.*some of them or none would be right"):
        load({"statsd": f"udp://a:1?tag_styles={styles}"}, {})


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (["tcp://carbon:2003", "tcp://carbon:2003"], "goes there already"),
        (["tcp://carbon:2003", "pickle://carbon:2003"], "goes there already"),
        (["tcp://carbon:0"], "the port carbon listens on"),
    ],
)
def test_outputs_that_cannot_be_told_apart_are_refused(addresses: list[str], words: str) -> None:
    """Each output has a cursor of its own, named by host and port."""
    with pytest.raises(ConfigError, match=words):
        load({"graphite-out": addresses}, {})


def test_a_password_that_must_not_be_there_is_not_shown_either() -> None:
    """What refuses it says where it stands, and not what it is."""
    for url in ("http://ann:hunter2@x/write", "ftp://ann:hunter2@x"):
        with pytest.raises(ConfigError, match=r'remote-write = "\w+://\*\*\*@x') as raised:
            load({"remote-write": [url]}, {})
        assert "hunter2" not in str(raised.value)


def test_a_password_in_the_stores_url_is_not_shown() -> None:
    """Neither by ``--check-config`` nor by the console nor in an error."""
    found = load({"store": "elasticsearch+http://me:hidden@es:9200"}, {})
    assert "hidden" in found.store
    assert "hidden" not in describe(found)
    assert 'store = "elasticsearch+http://***@es:9200"' in describe(found)
    shown = {setting.key.name: setting.shown for setting in found.settings}
    assert shown["store"] == "elasticsearch+http://***@es:9200"
    with pytest.raises(ConfigError) as caught:
        load({"store": "//me:hidden@es"}, {})
    assert "hidden" not in str(caught.value)

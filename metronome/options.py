"""The one table of settings: name, default, reader, meaning.

``twistd metronome``, ``metronome run``, the environment, the file, ``--check-config``,
``doc/configuration.md`` and ``conf/metronome.toml`` all follow this table (a test holds the
last two to it).

A name without a dot is an option: ``--data-dir``, ``METRONOME_DATA_DIR``, ``data-dir = ...``.
A name with a dot stands in a table of the file (``[limits] journal = ...``) and in the
environment (``METRONOME_LIMITS_JOURNAL``).  Defaults are written as in the file.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final, NamedTuple

from metronome import limits, values, write_targets
from metronome.fold.rules import SETS
from metronome.values import Reader

PLACE_PARAMETERS: Final = ("stream", "cert", "key", "mode", "tag_styles")
"""Parameters of a receiver's address: the stream that it feeds, the PEM files of ``tls://``, the
octal permissions of a Unix socket, and the tags that are read (joined by ``+``, or ``none``)."""
RECEIVER_PARAMETERS: Final = (*PLACE_PARAMETERS, "gauge_sign", "container_labels", "framing", "signed")
"""And of statsd's: how signed gauges are read, whether container fields are labels, how a stream is
cut into lines (``auto``, ``line`` or DogStatsD's ``length``), and whether datagrams must be signed once
there is a secret."""


class Key(NamedTuple):
    """One setting."""

    name: str
    default: object
    read: Reader
    help: str
    metavar: str = ""
    many: bool = False
    """A list: the option may be repeated, the environment has commas between."""
    in_file: bool = True

    @property
    def option(self) -> bool:
        """Whether it is an option of the command line."""
        return "." not in self.name

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return "METRONOME_" + self.name.upper().replace("-", "_").replace(".", "_")

    @property
    def field(self) -> str:
        """Its attribute of ``Config`` or of the part of it that the table's name says."""
        return self.name.rpartition(".")[2].replace("-", "_")


_DATAGRAMS_AND_STREAMS = values.address(
    "udp", "tcp", "tls", "unixgram", "unix", parameters=RECEIVER_PARAMETERS
)
_LINES = values.address("tcp", "tls", "udp", "unix", parameters=PLACE_PARAMETERS)
_STREAMS = values.address("tcp", "tls", "unix", parameters=PLACE_PARAMETERS)
_CONSOLE = values.address("tcp", "unix", parameters=("stream", "mode"))
_SERVED = values.address("tcp", "tls", parameters=("cert", "key"))

KEYS: Final[tuple[Key, ...]] = (
    Key("config", "", values.optional_path, "TOML file with settings", "FILE", in_file=False),
    Key("data-dir", "var", values.path, "journal, embedded store, instance id and tokens", "DIR"),
    Key(
        "store",
        "duckdb:",
        values.store_url,
        "duckdb: (in data-dir), duckdb:PATH, memory:, elasticsearch+http://HOST:9200 or opensearch+http://…",
        "URL",
    ),
    Key(
        "store-secret",
        "",
        values.optional_path,
        "file with the cluster's USER:PASSWORD or ApiKey KEY, instead of a user in the store's URL",
        "FILE",
    ),
    Key(
        "store-templates",
        "keep",
        values.choice("keep", "replace"),
        "what becomes of a cluster's index templates that somebody has changed: keep or replace",
        "WORD",
    ),
    Key(
        "statsd",
        ("udp://127.0.0.1:8125", "tcp://127.0.0.1:8125"),
        _DATAGRAMS_AND_STREAMS,
        "where statsd comes in: udp:// tcp:// tls:// unixgram:// unix://; repeatable",
        "ADDRESS",
        many=True,
    ),
    Key(
        "graphite",
        ("tcp://127.0.0.1:2003", "udp://127.0.0.1:2003"),
        _LINES,
        "where Graphite plaintext comes in: tcp:// tls:// udp:// unix://; repeatable",
        "ADDRESS",
        many=True,
    ),
    Key(
        "pickle",
        ("tcp://127.0.0.1:2004",),
        _STREAMS,
        "where carbon's pickle protocol comes in: tcp:// tls:// unix://; repeatable",
        "ADDRESS",
        many=True,
    ),
    Key(
        "http",
        ("tcp://127.0.0.1:8080",),
        _SERVED,
        "where HTTP is served: tcp:// or tls://host:port?cert=FILE&key=FILE; repeatable",
        "ADDRESS",
        many=True,
    ),
    Key(
        "admin",
        ("tcp://127.0.0.1:8126",),
        _CONSOLE,
        "where statsd's admin console is served: tcp:// unix://; repeatable",
        "ADDRESS",
        many=True,
    ),
    Key(
        "statsd-secret",
        "",
        values.optional_path,
        "file with the secret that statsd's datagrams must be signed with",
        "FILE",
    ),
    Key(
        "workers",
        1,
        values.whole(1, limits.WORKERS_MOST),
        "processes that take in statsd over UDP; 1: the gateway itself does",
        "NUMBER",
    ),
    Key("flush-interval", 10, values.number(0.1, 3600), "folding period of statsd samples", "SECONDS"),
    Key(
        "graphite-out",
        (),
        values.carbon,
        "carbon to send to: tcp:// tls:// udp:// unix:// (plaintext), pickle:// pickle+tls://; repeatable",
        "ADDRESS",
        many=True,
    ),
    Key(
        "graphite-resend",
        60,
        values.span(0),
        "what was sent to carbon in the last so many seconds is sent again when a connection breaks",
        "SECONDS",
    ),
    Key(
        "remote-write",
        (),
        write_targets.parse,
        "Prometheus receiver to send to: http:// or https://, behind # how; repeatable",
        "URL",
        many=True,
    ),
    Key(
        "rules",
        (),
        values.choice(*SETS),
        "default rollup rules behind those of the file: statsd, statsd-legacy, prometheus, tags; repeatable",
        "NAME",
        many=True,
    ),
    Key("mapping", "", values.optional_path, "statsd_exporter mapping rules (YAML)", "FILE"),
    # --- [dialect] -----------------------------------------------------------------------
    Key(
        "dialect.gauge-sign",
        "delta",
        values.choice(*values.GAUGE_SIGNS),
        "what + and - before a gauge's value mean: a change, or the value's sign",
    ),
    Key(
        "dialect.tag-styles",
        values.TAG_STYLES,
        values.choice(*values.TAG_STYLES),
        "tags that are read",
        many=True,
    ),
    Key("dialect.container-labels", False, values.flag, "keep DogStatsD's |c: |e: |card: as labels"),
    # --- [names] -------------------------------------------------------------------------
    Key("names.legacy-namespace", False, values.flag, "stats.NAME and stats_counts.NAME, as old statsd"),
    Key("names.global-prefix", "stats", values.text, "first element of statsd's names in Graphite"),
    Key("names.global-suffix", "", values.text, "last element of statsd's names in Graphite"),
    Key("names.prefix-stats", "statsd", values.text, "second element of the names of statsd's own numbers"),
    Key("names.prefix-counter", "counters", values.text, "second element of counters' names"),
    Key("names.prefix-timer", "timers", values.text, "second element of timers' names"),
    Key("names.prefix-gauge", "gauges", values.text, "second element of gauges' names"),
    Key("names.prefix-set", "sets", values.text, "second element of sets' names"),
    Key(
        "names.percent-threshold",
        (90,),
        values.number(-100, 100),
        "upper_NN, mean_NN ... of timers; negative for the top NN percent",
        many=True,
    ),
    Key(
        "names.timer-stats",
        (),
        values.text,
        "the only numbers of timers that are sent, such as mean or upper_90; none means all",
        many=True,
    ),
    Key(
        "names.histogram",
        (),
        values.histogram,
        "TEXT:LIMIT:LIMIT...: bins of timers with TEXT in their name; inf takes the rest",
        many=True,
    ),
    Key("names.flush-counts", True, values.flag, "send counters' counts as well as their rates"),
    Key("names.sanitize", True, values.flag, "clean labels in Graphite's tags as statsd cleans names"),
    Key("names.delete-idle", False, values.flag, "send nothing for idle series, instead of 0 or the last"),
    Key("names.idle-counters", "24h", values.span(0), "how long idle counters are sent as 0"),
    Key("names.idle-gauges", "24h", values.span(0), "how long idle gauges are sent, and keep their value"),
    Key("names.idle-timers", "24h", values.span(0), "how long idle timers are sent as 0"),
    Key("names.idle-sets", "24h", values.span(0), "how long idle sets are sent as 0"),
    # --- [prometheus] --------------------------------------------------------------------
    Key("prometheus.public", False, values.flag, "/metrics needs no token"),
    Key("prometheus.ttl", "5m", values.span(1), "how long /metrics shows a series that is idle"),
    # --- [retention] ---------------------------------------------------------------------
    Key(
        "retention.points",
        ("10s:2d", "60s:30d", "600s:2y"),
        values.rung,
        "ladder of steps and how long each is kept, as carbon's retentions",
        many=True,
    ),
    Key("retention.events", "2y", values.span(3600), "how long events are kept"),
    # --- [limits] ------------------------------------------------------------------------
    Key("limits.journal", limits.JOURNAL_BYTES, values.size(256 << 20), "bytes the journal may hold"),
    Key("limits.store-memory", "512MB", values.size(64 << 20), "memory of the embedded store"),
    Key(
        "limits.series",
        limits.SERIES_PER_STREAM,
        values.whole(1, 100_000_000),
        "live series of a stream; samples of further ones share a series labelled _other_",
    ),
    Key(
        "limits.series-per-prefix",
        limits.SERIES_PER_PREFIX,
        values.whole(0, 100_000_000),
        "the same for names that begin with the same two elements; 0: no limit of their own",
    ),
    Key(
        "limits.sample-past",
        "1h",
        values.span(0),
        "how far back the time that a statsd sample brings (|T) may be",
    ),
    Key(
        "limits.idle-flushes",
        360,
        values.whole(1, 1_000_000),
        "flushes after which an idle series is forgotten by the folding table",
    ),
    Key(
        "limits.connections",
        limits.STREAM_CONNECTIONS,
        values.whole(1, 1_000_000),
        "connections of each stream receiver",
    ),
    Key("limits.idle", limits.STREAM_IDLE, values.span(1), "silence after which they are closed"),
    Key(
        "limits.signed-drift",
        limits.SIGNED_DRIFT,
        values.number(1, 3600),
        "seconds that a signed datagram's time may be away from ours",
    ),
    Key(
        "limits.http-connections",
        limits.HTTP_CONNECTIONS,
        values.whole(1, 1_000_000),
        "connections of the HTTP server",
    ),
    Key("limits.http-idle", limits.HTTP_IDLE, values.span(1), "silence after which they are closed"),
)
"""Every setting, in the order in which it is documented and printed."""


def add_options(parser: ArgumentParser) -> None:
    """Every option of the table, and ``--check-config``.  Their values stay text."""
    for key in KEYS:
        if key.option:
            parser.add_argument(
                f"--{key.name}",
                metavar=key.metavar,
                help=f"{key.help} (default: {_shown(key)})",
                action="append" if key.many else "store",
            )
    parser.add_argument(
        "--check-config", action="store_true", help="print the resolved configuration; exit 0 or 1"
    )


def given(found: Namespace) -> dict[str, object]:
    """The options that were really given, by name."""
    values_of = {key.name: getattr(found, key.field, None) for key in KEYS if key.option}
    return {name: value for name, value in values_of.items() if value is not None}


def _shown(key: Key) -> str:
    """A default as the help text shows it; argparse wants its percent signs doubled."""
    items = key.default if isinstance(key.default, tuple) else (key.default,)
    return " ".join(str(item) for item in items if item != "").replace("%", "%%") or "none"

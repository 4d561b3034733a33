"""statsd servers."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping
from string import Template

from tests.bench.peers import Asked, Peer, Sink
from tests.bench.peers.tools import FOLDER, built, found, from_go, from_npm, from_pip

CASES = frozenset({"single", "packed", "mix", "tags", "names"})

STATSD_CONFIG = """\
{port: $PORT, address: "127.0.0.1", mgmt_address: "127.0.0.1", mgmt_port: $OTHER,
 graphiteHost: "127.0.0.1", graphitePort: $SINK, flushInterval: ${FLUSH}000,
 backends: ["./backends/graphite"], graphite: {legacyNamespace: false}}
"""

GOSTATSD_CONFIG = """\
[graphite]
address = '127.0.0.1:$SINK'
mode = 'basic'
"""

STATSITE_CONFIG = """\
[statsite]
port = $PORT
udp_port = $PORT
bind_address = 127.0.0.1
log_level = WARN
flush_interval = $FLUSH
stream_cmd = FORWARD $SINK
daemonize = 0
pid_file = $DIR/pid
"""

VENEUR_CONFIG = """\
statsd_listen_addresses: ["udp://127.0.0.1:$PORT"]
interval: "${FLUSH}s"
stats_address: "127.0.0.1:$FURTHER"
http_address: "127.0.0.1:$OTHER"
hostname: "bench"
num_workers: 1
num_readers: 1
percentiles: [0.5, 0.9, 0.99]
aggregates: ["min", "max", "count"]
metric_max_length: 4096
read_buffer_size_bytes: 212992
metric_sinks:
  - kind: prometheus
    name: prometheus
    config: {repeater_address: "localhost:$SINK", network_type: tcp}
"""

BIOYINO_CONFIG = """\
verbosity-console = "warn"
n-threads = 1
p-threads = 1
w-threads = 1
a-threads = 1
task-queue-size = 1024
start-as-leader = true
stats-interval = 60000
stats-prefix = "own"
consensus = "none"
[carbon]
address = "127.0.0.1:$SINK"
interval = ${FLUSH}000
[network]
listen = "127.0.0.1:$PORT"
peer-listen = "127.0.0.1:$FURTHER"
mgmt-listen = "127.0.0.1:$OTHER"
bufsize = 1500
multimessage = false
buffer-flush-time = 100
buffer-flush-length = 65536
greens = 4
async-sockets = 4
nodes = []
snapshot-interval = 1000
[metrics]
[aggregation]
update-count-threshold = 1000000000
[naming.default]
destination = "smart"
prefix = ""
"""

BRUBECK_CONFIG = """\
{"sharding": false, "server_name": "bench", "dumpfile": "$DIR/dump", "capacity": 17, "expire": 3600,
 "backends": [{"type": "carbon", "address": "127.0.0.1", "port": $SINK, "frequency": $FLUSH}],
 "samplers": [{"type": "statsd", "address": "127.0.0.1", "port": $PORT,
   "workers": 1, "multisock": true, "multimsg": 32}]}
"""


def peers() -> list[Peer]:
    """Slowest first, as they were known before."""
    makers: tuple[Callable[[], Peer], ...] = (
        navdoon,
        statsd,
        gostatsd,
        statsd_exporter,
        veneur,
        bioyino,
        statsite,
        brubeck,
        bare,
    )
    return [make() for make in makers]


def scraped(address: str, prefix: str, within: str = "") -> Asked:
    """The sum of the samples of a Prometheus page whose line begins so, and has that in it."""

    def ask(fields: Mapping[str, str]) -> float:
        with urllib.request.urlopen(Template(address).substitute(fields), timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith(prefix) and within in line
        )

    return ask


def statsd() -> Peer:
    folder, version = from_npm("statsd")
    return Peer(
        "statsd",
        ("node", f"{folder}/stats.js", "$DIR/config.js") if folder else (),
        Sink("stats.counters.bench", ".count"),
        version,
        "JavaScript",
        files={"config.js": STATSD_CONFIG.replace("./backends", f"{folder}/backends")},
        missing="needs node and npm",
    )


def navdoon() -> Peer:
    program, version = from_pip("navdoon", "navdoon")
    words = ("--flush-interval", "$FLUSH", "--flush-graphite", "127.0.0.1:$SINK")
    return Peer(
        "navdoon",
        (program, *words, "--collect-udp", "127.0.0.1:$PORT", "--log-level", "ERROR") if program else (),
        Sink("bench"),
        version,
        "Python",
        frozenset({"single", "packed"}),
        missing="pip cannot install it",
    )


def gostatsd() -> Peer:
    program, version = found("gostatsd")
    words = ("--backends", "graphite", "--config-path", "$DIR/config.toml", "--flush-interval", "${FLUSH}s")
    return Peer(
        "gostatsd",
        (program, *words, "--metrics-addr", "127.0.0.1:$PORT") if program else (),
        Sink("stats.counters.bench", ".count"),
        version,
        "Go",
        files={"config.toml": GOSTATSD_CONFIG},
        missing=f"no executable in {FOLDER}",
    )


def statsd_exporter() -> Peer:
    program, version = from_go("github.com/prometheus/statsd_exporter")
    words = (
        "--statsd.listen-udp=127.0.0.1:$PORT",
        "--statsd.listen-tcp=127.0.0.1:$PORT",
        "--log.level=error",
    )
    return Peer(
        "statsd_exporter",
        (program, *words, "--web.listen-address=127.0.0.1:$OTHER") if program else (),
        scraped("http://127.0.0.1:$OTHER/metrics", "bench", "requests"),
        version,
        "Go",
        missing="needs go",
    )


def veneur() -> Peer:
    program, version = found("veneur")
    return Peer(
        "veneur",
        (program, "-f", "$DIR/veneur.yaml") if program else (),
        Sink("bench"),
        version,
        "Go",
        files={"veneur.yaml": VENEUR_CONFIG},
        missing=f"no executable in {FOLDER}",
    )


def bioyino() -> Peer:
    """It reads one datagram a call, as it does by default; reading many it waits until it has all of them."""
    program, version = found("bioyino")
    return Peer(
        "bioyino",
        (program, "--config", "$DIR/bioyino.toml") if program else (),
        Sink("bench"),
        version,
        "Rust",
        CASES - {"tags"},
        files={"bioyino.toml": BIOYINO_CONFIG},
        missing=f"no executable in {FOLDER}",
    )


def statsite() -> Peer:
    program, version = found("statsite")
    return Peer(
        "statsite",
        (program, "-f", "$DIR/statsite.conf") if program else (),
        Sink("counts.bench"),
        version,
        "C",
        CASES - {"tags"},
        files={"statsite.conf": STATSITE_CONFIG.replace("FORWARD", built("forward"))},
        missing=f"no executable in {FOLDER}",
    )


def brubeck() -> Peer:
    """One thread that reads 32 datagrams a call, its fastest way on one core."""
    program, version = found("brubeck")
    return Peer(
        "brubeck",
        (program, "--log", "$DIR/log", "--config", "$DIR/brubeck.json") if program else (),
        Sink("bench"),
        version,
        "C",
        CASES - {"mix", "tags"},
        files={"brubeck.json": BRUBECK_CONFIG},
        missing=f"no executable in {FOLDER}",
    )


def bare() -> Peer:
    """Not a server: reads datagrams and throws them away, the floor under everybody's cost."""
    return Peer("bare loop", (built("bare"), "$PORT"), None, "", "C", frozenset({"single", "packed"}))

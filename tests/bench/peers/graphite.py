"""Graphite receivers."""

from __future__ import annotations

from tests.bench.peers import Peer, Sink
from tests.bench.peers.tools import FOLDER, carbon_cache, found, installed

PLAIN, PICKLE = frozenset({"plaintext"}), frozenset({"pickle"})

SCHEMA = "[all]\npattern = .*\nretentions = 10s:1h\n"

CARBON_CONFIG = """\
[cache]
STORAGE_DIR = $DIR/storage
CONF_DIR = $DIR/conf
LOG_DIR = $DIR/log
PID_DIR = $DIR
LOCAL_DATA_DIR = $DIR/whisper
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = 500
MAX_CREATES_PER_MINUTE = inf
CARBON_METRIC_INTERVAL = 0
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = LINES
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = PICKLES
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = $FURTHER
ENABLE_UDP_LISTENER = False
LOG_UPDATES = False
"""

GO_CARBON_CONFIG = """\
[common]
user = ""
metric-endpoint = "tcp://127.0.0.1:$SINK"
metric-interval = "2s"
max-cpu = 1
[whisper]
data-dir = "$DIR/whisper"
schemas-file = "$DIR/schemas.conf"
aggregation-file = ""
workers = 1
max-updates-per-second = 500
enabled = true
[cache]
max-size = 20000000
write-strategy = "max"
[udp]
enabled = false
[tcp]
listen = "127.0.0.1:$PORT"
enabled = true
[pickle]
enabled = false
[carbonlink]
enabled = false
[grpc]
enabled = false
[carbonserver]
enabled = false
[[logging]]
logger = ""
file = "$DIR/log.txt"
level = "error"
"""

RELAY_CONFIG = """\
listen type linemode 127.0.0.1:$PORT proto tcp;
cluster sink forward 127.0.0.1:$SINK;
match * send to sink stop;
"""


def peers() -> list[Peer]:
    """Slowest first."""
    return [
        carbon("carbon-cache", pickle=False),
        relay(),
        go_carbon(),
        carbon("carbon-cache pickle", pickle=True),
    ]


def carbon(name: str, pickle: bool) -> Peer:
    folder, version = carbon_cache()
    words = ("--nodaemon", "--config=$DIR/conf/carbon.conf", "--pidfile=$DIR/pid", "start")
    ports = ("$OTHER", "$PORT") if pickle else ("$PORT", "$OTHER")
    config = CARBON_CONFIG.replace("LINES", ports[0]).replace("PICKLES", ports[1])
    return Peer(
        name,
        (f"{folder}/python", f"{folder}/carbon-cache.py", *words) if folder else (),
        None,
        version,
        "Python",
        PICKLE if pickle else PLAIN,
        "tcp",
        files={"conf/storage-schemas.conf": SCHEMA, "conf/carbon.conf": config},
        environment={"GRAPHITE_ROOT": "$DIR"},
        missing="pip cannot install it",
    )


def go_carbon() -> Peer:
    program, version = found("go-carbon")
    return Peer(
        "go-carbon",
        (program, "-config", "$DIR/carbon.conf") if program else (),
        Sink("carbon.agents.", "tcp.metricsReceived"),
        version,
        "Go",
        PLAIN,
        "tcp",
        files={"schemas.conf": SCHEMA, "carbon.conf": GO_CARBON_CONFIG},
        missing=f"no executable in {FOLDER}",
    )


def relay() -> Peer:
    program, version = installed("carbon-c-relay", "-v")
    return Peer(
        "carbon-c-relay",
        (program, "-f", "$DIR/relay.conf", "-w", "1", "-q", "1000000") if program else (),
        Sink("bench", lines=True),
        version,
        "C",
        PLAIN,
        "tcp",
        files={"relay.conf": RELAY_CONFIG},
        missing="needs the distribution's package",
    )

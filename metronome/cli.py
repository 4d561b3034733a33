"""The console script ``metronome``: one subcommand, one function.

Answers go to standard output, one JSON object a line where they are for programs; what went
wrong goes to standard error in one line, with status 1 (2 for a wrong command line).
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from pathlib import Path
from typing import Any, Final

from metronome import __version__, cli_import, cli_kibana, cli_replay, cli_rules, options, store, values
from metronome.config import Config, describe, load, secret_of
from metronome.errors import ClientError, ConfigError, StoreUnavailable
from metronome.fold import mapping
from metronome.gateway.dead_letters import DeadLetterFile
from metronome.gateway.replay import Replayed
from metronome.kernel.interface import Dialect
from metronome.limits import TALKERS_TOLD
from metronome.model import Kind, Series
from metronome.remote import Remote
from metronome.wire import explain

START_SECONDS: Final = 60.0
"""How long the dashboard's address is waited for after a start."""

TOP_SHOWN: Final = 5
"""Talkers of each kind that end an interrupted tail."""

Explain = Callable[[bytes], list[explain.Told]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    found = _parser().parse_args(arguments)
    try:
        status: int = found.act(found)
    except (ConfigError, ClientError, StoreUnavailable) as error:
        print(f"metronome: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read us has enough (`metronome tail | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def check_config(config: Config) -> None:
    """Print what the settings resolve to, and check what they point at.  ``ConfigError``."""
    for warning in config.warnings:
        print(f"metronome: {warning}", file=sys.stderr)
    store.check_url(config.store)
    secret_of(config)
    if config.mapping is not None:
        mapping.load(_text(config.mapping))
    print(describe(config), end="")


# --- commands -------------------------------------------------------------------------------


def _run(found: argparse.Namespace) -> int:
    """Be ``twistd -n metronome``, and say where the dashboard is once it listens."""
    config = _config(found)
    if found.check_config:
        check_config(config)
        return 0
    from twisted.scripts import twistd

    threading.Thread(target=_announce, args=(Remote(config.data_dir), time.time()), daemon=True).start()
    rest = [f"--{name}={item}" for name, given in options.given(found).items() for item in _items(given)]
    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "metronome", *rest]
    twistd.run()
    return 0


def _check(found: argparse.Namespace) -> int:
    check_config(_config(found))
    return 0


def _token(found: argparse.Namespace) -> int:
    remote = Remote(_config(found).data_dir)
    if found.wait:
        _announce(remote, time.time())
    else:
        print(remote.dashboard() if found.url else remote.token())
    return 0


def _create(found: argparse.Namespace) -> int:
    retention = {"points": found.points, "events": found.events}
    settings: dict[str, Any] = {
        "origins": found.origin,
        "public": found.public,
        "retention": {name: days for name, days in retention.items() if days is not None},
    }
    kept = {name: value for name, value in settings.items() if value}
    return _print(Remote(_config(found).data_dir).create(found.name, kept))


def _list(found: argparse.Namespace) -> int:
    for stream in Remote(_config(found).data_dir).streams():
        _print(stream)
    return 0


def _rotate(found: argparse.Namespace) -> int:
    return _print(Remote(_config(found).data_dir).rotate(found.id))


def _tail(found: argparse.Namespace) -> int:
    """Lines until it is interrupted; then who sent most, as people ask when they have seen enough."""
    remote = Remote(_config(found).data_dir)
    try:
        for told in remote.tail(found.stream) if not found.top else ():
            if not found.rejects or "reject" in told:
                _print(told)
                sys.stdout.buffer.flush()
    except KeyboardInterrupt:
        _print({"top": remote.top(found.stream, TOP_SHOWN)})
        raise
    if found.top:
        _print({"top": remote.top(found.stream, TALKERS_TOLD)})
    return 0


def _parse(found: argparse.Namespace) -> int:
    now = int(time.time() * 1000)
    dialect = Dialect(gauge_delta=found.gauge_sign == "delta")
    tell: dict[str, Explain] = {
        "statsd": partial(explain.statsd, dialect=dialect, now=now),
        "graphite": partial(explain.graphite, dialect=dialect),
        "tick": partial(explain.ticks, content_type=found.content_type, now=now),
    }
    for line in _lines(found.file):
        if found.base64:
            _print(_decoded(line, tell[found.format]))
        else:
            for told in tell[found.format](line) if line else ():
                _print(told)
    return 0


def _replay(found: argparse.Namespace) -> int:
    config = _config(found)
    file = Path(found.letters) if found.letters else None
    if found.list:
        kept = cli_replay.letter_file(file) if file else DeadLetterFile(config.data_dir)
        for letter in cli_replay.letters(kept):
            _print(letter)
        return 0
    pieces: list[Replayed] = []
    try:
        if file:
            cli_replay.replay_file(config, file, pieces.append)
        else:
            cli_replay.replay(config, pieces.append)
    finally:
        # Also of one that was broken off: what it has done is done.
        told = reduce(Replayed.plus, pieces, Replayed())
        if pieces:
            _print({**told._asdict(), "reasons": dict(told.reasons)})
    left = cli_replay.stays(told)
    if left:
        print(f"metronome: {left}", file=sys.stderr)
    return 1 if left else 0


def _import(found: argparse.Namespace) -> int:
    meter = cli_import.Meter(sys.stderr, time.monotonic)
    letters = Path(found.letters)
    try:
        told = cli_import.import_store(
            _config(found), cli_import.Move(found.source, found.target, letters), meter
        )
    finally:
        meter.end()
    _print(cli_import.shown(told))
    for sentence in cli_import.trouble(told, letters):
        print(f"metronome: {sentence}", file=sys.stderr)
    return 1 if told.refused or told.missing else 0


def _kibana(found: argparse.Namespace) -> int:
    secret = Path(found.secret) if found.secret else None
    place = cli_kibana.Place(found.url, found.space, secret, found.ca, found.flavour, found.prefix)
    told = cli_kibana.send(place)
    _print(told)
    for sentence in told["errors"]:
        print(f"metronome: {sentence}", file=sys.stderr)
    return 1 if told["errors"] else 0


def _test_rules(found: argparse.Namespace) -> int:
    config = _config(found)
    series = Series(found.name, cli_rules.labels_of(found.labels), Kind[found.kind.upper()])
    for told in cli_rules.told(config.book, config.naming, series, found.stream):
        _print(told)
    return 0


# --- the command line -----------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("metronome", description="What an application says about itself.")
    parser.add_argument("--version", action="version", version=f"metronome {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, act, text in (
        ("run", _run, "run a gateway in the foreground (twistd -n metronome)"),
        ("check-config", _check, "print the resolved configuration; status 0 or 1"),
    ):
        options.add_options(_command(commands, name, act, text))
    token = _with_place(_command(commands, "token", _token, "print the owner's token"))
    token.add_argument("--url", action="store_true", help="print the dashboard's address with the token")
    token.add_argument("--wait", action="store_true", help="the same, once a gateway has started")
    _add_stream(commands)
    tail = _with_place(_command(commands, "tail", _tail, "show what comes in, live"))
    tail.add_argument("--stream", default="main", metavar="ID")
    tail.add_argument("--rejects", action="store_true", help="only what is refused")
    tail.add_argument("--top", action="store_true", help="only who sends most of late, and end")
    _add_parse(commands)
    _add_rules(commands)
    again = _with_store(_command(commands, "replay", _replay, "put dead letters into the store again"))
    again.add_argument("--list", action="store_true", help="only print them")
    again.add_argument("--letters", metavar="FILE", help="those of an import, not the gateway's")
    _add_kibana(commands)
    text = "move everything of a store into another; what was broken off goes on"
    moved = _with_place(_command(commands, "import", _import, text))
    moved.add_argument("--from", dest="source", required=True, metavar="URL", help="a store no gateway uses")
    moved.add_argument("--to", dest="target", required=True, metavar="URL", help="the store that gets it")
    moved.add_argument(
        "--letters",
        default="import-refused.ndjson",
        metavar="FILE",
        help="for what the target refuses (default: %(default)s)",
    )
    return parser


def _add_stream(commands: Any) -> None:
    streams = commands.add_parser("stream", help="make, list and rotate streams", allow_abbrev=False)
    actions = streams.add_subparsers(title="actions", required=True, metavar="ACTION")
    create = _with_place(_command(actions, "create", _create, "make a stream; prints its key and token"))
    create.add_argument("name", metavar="NAME")
    create.add_argument("--origin", action="append", metavar="ORIGIN", help="web origin that may send ticks")
    create.add_argument("--public", action="store_true", help="everyone may read its tock")
    create.add_argument("--points", type=int, metavar="DAYS", help="how long points are kept")
    create.add_argument("--events", type=int, metavar="DAYS", help="how long events are kept")
    _with_place(_command(actions, "list", _list, "list the streams"))
    rotate = _with_place(_command(actions, "rotate", _rotate, "give a stream a new key and token"))
    rotate.add_argument("id", metavar="ID")


def _add_kibana(commands: Any) -> None:
    text = "send data views and dashboards to Kibana or OpenSearch Dashboards"
    kibana = _command(commands, "kibana-import", _kibana, text)
    kibana.add_argument("url", metavar="URL", help="http(s)://[USER:PASSWORD@]HOST:5601")
    kibana.add_argument("--space", default="", metavar="NAME", help="Kibana's space, OpenSearch's tenant")
    kibana.add_argument("--secret", metavar="FILE", help="USER:PASSWORD or ApiKey KEY")
    kibana.add_argument("--ca", default="", metavar="FILE", help="authorities for https, PEM")
    kibana.add_argument("--prefix", default="metronome", metavar="WORD", help="prefix of the indices")
    kibana.add_argument("--for", dest="flavour", choices=cli_kibana.NAMES, default="", help="do not ask it")


def _add_parse(commands: Any) -> None:
    parse = _command(commands, "parse", _parse, "tell what becomes of lines, as JSON")
    parse.add_argument("format", choices=("statsd", "graphite", "tick"))
    parse.add_argument("file", nargs="?", metavar="FILE", help="default: standard input")
    parse.add_argument(
        "--base64",
        action="store_true",
        help="each line is one datagram or body in base64; prints one JSON array for each",
    )
    parse.add_argument("--gauge-sign", choices=values.GAUGE_SIGNS, default="delta")
    parse.add_argument(
        "--content-type", default="application/json", metavar="TYPE", help="of a body of ticks"
    )


def _add_rules(commands: Any) -> None:
    rules = commands.add_parser("rules", help="try rollup rules out", allow_abbrev=False)
    actions = rules.add_subparsers(title="actions", required=True, metavar="ACTION")
    text = "tell which rules take a series, and what comes out"
    test = _with_place(_command(actions, "test", _test_rules, text))
    test.add_argument("--rules", action="append", metavar="SET", help="default sets, as for run")
    test.add_argument("name", metavar="NAME")
    test.add_argument("labels", nargs="*", metavar="LABEL=VALUE")
    test.add_argument("--kind", choices=[kind.word for kind in Kind], default="counter")
    test.add_argument("--stream", default="main", metavar="ID")


def _command(
    commands: Any, name: str, act: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    made.set_defaults(act=act)
    return made


def _with_place(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The two options that say which gateway is meant."""
    parser.add_argument("--config", metavar="FILE", help="the gateway's settings")
    parser.add_argument("--data-dir", metavar="DIR", help="the gateway's data directory")
    return parser


def _with_store(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """And which store it has, where that is not in its settings."""
    parser.add_argument("--store", metavar="URL", help="the gateway's store")
    return _with_place(parser)


# --- small parts ----------------------------------------------------------------------------


def _config(found: argparse.Namespace) -> Config:
    return load(options.given(found), os.environ)


def _announce(remote: Remote, since: float) -> None:
    if remote.wait(since, START_SECONDS):
        print(f"\n  Metronome is up. Dashboard: {remote.dashboard()}\n", flush=True)


def _items(given: object) -> list[object]:
    return given if isinstance(given, list) else [given]


def _print(content: object) -> int:
    """One JSON text on a line, in UTF-8 whatever the terminal's encoding is."""
    sys.stdout.buffer.write(json.dumps(content, ensure_ascii=False).encode() + b"\n")
    return 0


def _lines(file: str | None) -> Iterator[bytes]:
    """Lines as bytes, without their ends."""
    if file is None:
        yield from (line.removesuffix(b"\n") for line in sys.stdin.buffer)
        return
    try:
        with open(file, "rb") as opened:
            yield from (line.removesuffix(b"\n") for line in opened)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None


def _decoded(line: bytes, tell: Explain) -> list[explain.Told]:
    try:
        return tell(base64.b64decode(line.strip(), validate=True))
    except binascii.Error as error:
        raise ConfigError(f"{line[:60]!r} is not base64: {error}") from None


def _text(file: os.PathLike[str]) -> str:
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"mapping = '{file}': {error}") from None

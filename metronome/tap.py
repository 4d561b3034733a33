"""``twistd metronome``: options, and the service made of them.

The only file that imports the reactor.
"""

from __future__ import annotations

import argparse
import atexit
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import cast

from twisted.application.service import IService
from twisted.internet import reactor
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python import usage

from metronome import options
from metronome.allocator import give_back_holes, give_back_large_pieces
from metronome.cli import check_config
from metronome.collector import Collector
from metronome.config import Config, load
from metronome.data_dir import DataDir
from metronome.errors import ConfigError
from metronome.limits import HOLES_SECONDS, OPEN_FILES
from metronome.receivers.interface import IReactor
from metronome.service import GatewayService, build


class Options(usage.Options):
    """Takes its options from the one table; ``twistd`` only asks it to parse."""

    synopsis = "[options]"
    config: Config

    def parseOptions(self, given: list[str] | None = None) -> None:
        """Resolve the settings.  What is wrong is printed, and ends the process with status 1."""
        parser = argparse.ArgumentParser("twistd [options] metronome", allow_abbrev=False)
        options.add_options(parser)
        found = parser.parse_args(given or [])
        try:
            self.config = load(options.given(found), os.environ)
            if not found.check_config:
                return
            check_config(self.config)
        except ConfigError as error:
            print(f"metronome: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        raise SystemExit(0)


def makeService(given: Options) -> IService:
    """What ``twistd`` runs."""
    core = cast(IReactorCore, reactor)
    give_back_large_pieces()
    try:
        DataDir(given.config.data_dir).check()
    except ConfigError as error:
        print(f"metronome: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    _raise_open_files()
    service = build(given.config, cast(IReactor, reactor), _stop_as_failed)
    core.callWhenRunning(_take_signals, service)
    core.callWhenRunning(_tidy_memory)
    return cast(IService, service)


def _tidy_memory() -> None:
    """Begin to give back what the heaps do not use, and to look for garbage by the clock."""
    Collector(cast(IReactor, reactor)).start()
    tidying = LoopingCall(give_back_holes)
    tidying.clock = cast(IReactor, reactor)
    tidying.start(HOLES_SECONDS, now=False)


def _raise_open_files() -> None:
    """As many files as the system allows us: each connection is one, and shells allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        with suppress(OSError, ValueError):  # the soft limit stays, as the system wants it
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _take_signals(service: GatewayService) -> None:
    """SIGTERM and SIGINT stop with status 0: Twisted's own handling ends by the signal itself,
    which looks like a crash to whoever supervises the process.  SIGHUP reads rules again."""
    threads = cast(IReactorFromThreads, reactor)

    def stop(*_: object) -> None:
        threads.callFromThread(_stop)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, lambda *_: threads.callFromThread(service.reload))


def _stop() -> None:
    """Stop the reactor; nothing when that was done already."""
    with suppress(ReactorNotRunning):
        cast(IReactorCore, reactor).stop()


def _stop_as_failed(reason: str) -> None:
    """Stop the reactor, and have the process end with status 1 once twistd has tidied up."""
    Logger().critical("cannot run: {reason}", reason=reason)
    if sys.__stderr__ is not None:
        # twistd has made sys.stderr a part of the log; a person looks here.
        print(f"metronome: {reason}", file=sys.__stderr__, flush=True)
    atexit.register(os._exit, 1)
    # It may fail before the reactor runs, when there is nothing to stop yet.
    cast(IReactorCore, reactor).callWhenRunning(_stop)

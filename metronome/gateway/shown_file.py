"""The file that the image of ``/metrics`` is kept in.

It is written beside and put in the place of the former one when it is complete, so that a process
that is killed leaves the old one or the new one.  It is not synced: it is for a process that
dies, not for a machine that loses power.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from metronome.gateway import shown_image
from metronome.gateway.shown_image import Origin, Rows
from metronome.threads.interface import Worker


class ShownFile:
    """An image on disk."""

    log = Logger()

    def __init__(self, path: Path, worker: Worker):
        """``worker`` is where it is written."""
        self._path = path
        self._beside = path.with_name(path.name + ".new")
        self._worker = worker
        self._file: BinaryIO | None = None

    def read(self) -> tuple[Origin, Iterator[Rows]] | None:
        """What the last run has left; None where there is nothing that can be used."""
        try:
            data = memoryview(self._path.read_bytes())
            for _ in shown_image.decode(data):
                continue  # all of it, before any of it is used
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.log.error("{file} cannot be used: {error}", file=str(self._path), error=error)
            return None
        origin, *_ = islice(shown_image.decode(data), 1)
        assert isinstance(origin, Origin)
        return origin, (one for one in shown_image.decode(data) if isinstance(one, Rows))

    def write(self, blocks: Iterator[bytes | None]) -> Iterator[Deferred[None]]:
        """Write blocks, step by step, as they come; with None among them the former image stays.

        The last step is in place when its Deferred fires; each fails with ``OSError``.
        """
        yield self._worker.do(self._open)
        for block in blocks:
            if block is None:
                yield self._worker.do(self._close)
                return
            yield self._worker.do(partial(self._put, block))
        yield self._worker.do(self._replace)

    def stop(self) -> Deferred[None]:
        """Nothing more is written."""
        return self._worker.stop()

    def _open(self) -> None:
        self._close()
        descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "wb")

    def _put(self, block: bytes) -> None:
        assert self._file is not None
        self._file.write(block)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _replace(self) -> None:
        self._close()
        os.replace(self._beside, self._path)

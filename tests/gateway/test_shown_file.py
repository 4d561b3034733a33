"""The file that an image of the page is kept in."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from metronome.gateway.shown_file import ShownFile
from metronome.gateway.shown_image import Origin, encode_end, encode_origin
from metronome.threads.memory import ImmediateWorker

ORIGIN = Origin("journal", 7, {}, 3, 1.5)
BLOCKS = [encode_origin(ORIGIN), encode_end()]


class ShownFileTests(SynchronousTestCase):
    """ShownFile."""

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "image")
        self.file = ShownFile(self.path, ImmediateWorker())

    def write(self, blocks: list[bytes | None]) -> list[Deferred[None]]:
        steps = list(self.file.write(iter(blocks)))
        for step in steps:
            step.addErrback(lambda failure: failure.trap(OSError))
        return steps

    def test_what_was_written_is_read(self) -> None:
        """The owner alone may read it; nothing is left beside it."""
        self.write([*BLOCKS])
        origin, rows = self.file.read() or (None, None)
        self.assertEqual((origin, list(rows or ())), (ORIGIN, []))
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(
            [one.name for one in self.path.parent.iterdir() if one.name.startswith(self.path.name)],
            [self.path.name],
        )

    def test_no_file(self) -> None:
        """There is nothing to go on from."""
        self.assertIsNone(self.file.read())

    def test_one_that_is_given_up(self) -> None:
        """The former one stays."""
        self.write([*BLOCKS])
        self.write([encode_origin(ORIGIN._replace(position=8)), None])
        found = self.file.read()
        assert found is not None
        self.assertEqual(found[0].position, 7)
        self.write([encode_origin(ORIGIN._replace(position=9)), encode_end()])
        found = self.file.read()
        assert found is not None
        self.assertEqual(found[0].position, 9)

    def test_damage(self) -> None:
        """It is told, and there is nothing to go on from."""
        self.write(BLOCKS[:1])
        self.assertIsNone(self.file.read())
        (event,) = self.flushLoggedErrors(ValueError) or [None]
        self.assertIsNone(event)

    def test_a_disk_that_refuses(self) -> None:
        """The step fails."""
        file = ShownFile(self.path / "no" / "folder", ImmediateWorker())
        first = next(file.write(iter(BLOCKS)))
        self.failureResultOf(first, OSError)

"""Refused records are kept as they stood in the journal."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

from metronome.gateway.dead_letters import DeadLetterFile
from metronome.model import Events, Record
from metronome.wire import records
from tests.gateway.kit import view


def test_a_letter_can_be_read_back(tmp_path: Path) -> None:
    """One line a record, whose payload decodes to the same content."""
    letters = DeadLetterFile(tmp_path)
    content = Events("main", [view("a")])
    letters.put(Record(7, content), "the store will not have it")
    letters.put(Record(9, content), "nor this")
    path = tmp_path / "dead-letters.ndjson"
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert (first["position"], first["reason"]) == (7, "the store will not have it")
    assert records.decode(second["kind"], base64.b64decode(second["payload"])) == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

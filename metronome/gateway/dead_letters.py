"""The dead-letter file: one JSON object a line, in the order in which records were refused.

``{"position", "kind", "reason", "payload"}``, the payload as it stood in the journal, in
base64, so that nothing of it is lost: it can be looked at, and put back unchanged.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from metronome.model import Record
from metronome.wire import records


class DeadLetterFile:
    """Appends refused records to ``dead-letters.ndjson`` and syncs each."""

    def __init__(self, folder: Path):
        self._path = folder / "dead-letters.ndjson"

    def put(self, record: Record, reason: str) -> None:
        """Keep a record; raises OSError when the disk refuses."""
        kind, payload = records.encode(record.content)
        line = {
            "position": record.position,
            "kind": kind,
            "reason": reason,
            "payload": base64.b64encode(payload).decode(),
        }
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

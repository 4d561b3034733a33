"""The files of saved objects in ``conf/kibana``, made anew by ``make doc``."""

from __future__ import annotations

from pathlib import Path

from metronome.kibana.dashboards import everything
from metronome.kibana.objects import FLAVOURS, ndjson

FOLDER = Path(__file__).parent.parent / "conf" / "kibana"
FILES = {"kibana": "metronome.ndjson", "opensearch": "metronome-opensearch.ndjson"}


def main() -> None:
    """Write both."""
    FOLDER.mkdir(exist_ok=True)
    for flavour in FLAVOURS:
        (FOLDER / FILES[flavour.name]).write_bytes(ndjson(everything(flavour)))


if __name__ == "__main__":
    main()

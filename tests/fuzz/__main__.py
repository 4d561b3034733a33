"""Compare the twins of the kernel on many nearly good lines, read and written, and what they come in.

``python -m tests.fuzz --inputs 1000000 --jobs 2``; with ``--sanitized`` the native twin is built anew with
the address and undefined-behaviour sanitizers first.  The first difference ends it, and is told with
its seed; ``--seed`` and ``--inputs`` of one round give it again.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from tests.fuzz import envelopes, sanitized
from tests.kernel import exposed, lines, packed, written

LINES = 120
"""Lines of one round: few enough that a difference is found in them by eye."""


def native(file: str) -> ModuleType:
    """The native twin, from a file where one is named."""
    if not file:
        return importlib.import_module("metronome.kernel._fast")
    spec = importlib.util.spec_from_file_location("metronome.kernel._fast", file)
    assert spec is not None, file
    assert spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(first: int, rounds: int, file: str) -> None:
    """Run some rounds in this process."""
    pure, fast = importlib.import_module("metronome.kernel._pure"), native(file)
    for seed in range(first, first + rounds):
        found = lines.difference(pure, fast, seed, LINES) or written.difference(fast, seed, LINES)
        found = found or packed.difference(fast, seed, LINES) or exposed.difference(fast, seed, LINES // 4)
        if found := found or envelopes.trouble(fast, pure, seed, LINES):
            raise SystemExit(found)


def spread(given: argparse.Namespace, file: str) -> int:
    """Run all rounds in processes of their own; the worst exit status."""
    rounds = -(-given.inputs // (LINES * given.jobs))
    environment = sanitized.environment() if file else None
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        "--inside",
        "--native",
        file,
        "--inputs",
        str(rounds * LINES),
    ]
    running = [
        subprocess.Popen([*command, "--seed", str(given.seed + job * rounds)], env=environment)
        for job in range(given.jobs)
    ]
    return max(abs(one.wait()) for one in running)


def main() -> None:
    """Read the options, run, tell."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--inputs", type=int, default=200_000, help="lines")
    options.add_argument("--seed", type=int, default=0, help="of the first round")
    options.add_argument("--jobs", type=int, default=1, help="processes")
    options.add_argument("--sanitized", action="store_true", help="build with sanitizers first")
    options.add_argument("--into", help="a folder for what is built; else none is kept")
    options.add_argument("--native", default="", help=argparse.SUPPRESS)
    options.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.inside:
        compare(given.seed, given.inputs // LINES, given.native)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = str(sanitized.build(Path(given.into or folder))) if given.sanitized else ""
        status = spread(given, file)
    if status:
        raise SystemExit(status)
    print(
        f"{given.inputs} lines: the twins agree{', and no sanitizer has spoken' if given.sanitized else ''}"
    )


if __name__ == "__main__":
    main()

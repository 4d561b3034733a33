"""The native twin, built with the address and undefined-behaviour sanitizers of gcc or clang."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all"


def build(folder: Path) -> Path:
    """Build it into a folder; the file of the module.  What stands in the work tree is left alone."""
    compiled = {**os.environ, "CFLAGS": f"{FLAGS} -O1 -g", "LDFLAGS": FLAGS}
    subprocess.run(
        [
            *(sys.executable, "setup.py", "--quiet", "build_ext"),
            *("--build-lib", str(folder / "lib"), "--build-temp", str(folder / "objects")),
        ],
        cwd=ROOT,
        env=compiled,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (file,) = (folder / "lib").rglob("_fast*.so")
    return file


def environment() -> dict[str, str]:
    """What a process needs that loads it: the sanitizers' libraries first, and Python's memory from
    malloc, so that what is beside it is guarded.  Leaks are not looked for: Python keeps much."""
    libraries = [_library(name) for name in ("libasan.so", "libubsan.so")]
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "METRONOME_PURE": "1",
    }


def _library(name: str) -> str:
    found = subprocess.run(
        ["cc", f"-print-file-name={name}"], check=True, capture_output=True, text=True, timeout=60
    )
    return found.stdout.strip()

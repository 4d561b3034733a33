"""Other people's programs that live tests use, brought by their own package clients."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def cache() -> Path:
    """Where they are kept between runs: beside the environment that runs the tests."""
    folder = Path(sys.prefix) / "live"
    folder.mkdir(exist_ok=True)
    return folder


def which(program: str) -> bool:
    """Whether a program is installed."""
    return shutil.which(program) is not None


def node_modules(package: str) -> Path | None:
    """The ``node_modules`` folder with an npm package in it; None when it cannot be had."""
    if not which("npm"):
        return None
    folder = cache() / "node" / package.partition("@")[0]
    modules = folder / "node_modules"
    if not (modules / package.partition("@")[0]).is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package]
        if subprocess.run(command, check=False, timeout=300).returncode:
            return None
    return modules

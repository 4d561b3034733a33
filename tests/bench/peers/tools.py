"""Programs for the bench: ours compiled on demand, other people's found or brought."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.live import carbon
from tests.live.tools import node_modules

HERE = Path(__file__).parent
FOLDER = "METRONOME_PEERS"


def cache() -> Path:
    """What was built or brought stays beside the environment that runs the bench."""
    folder = Path(sys.prefix) / "bench"
    folder.mkdir(exist_ok=True)
    return folder


def built(name: str) -> str:
    """The path of one of our C programs, compiled where it is older than its source."""
    source, program = HERE / f"{name}.c", cache() / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(source)]
        subprocess.run(command, check=True)
    return str(program)


def found(name: str) -> tuple[str, str]:
    """Path and version of a program in the folder that ``METRONOME_PEERS`` names."""
    folder = os.environ.get(FOLDER, "")
    program = Path(folder) / name
    if not folder or not os.access(program, os.X_OK):
        return "", ""
    version = program.with_name(f"{name}.version")
    return str(program), version.read_text().strip() if version.exists() else ""


def installed(name: str, *version: str) -> tuple[str, str]:
    """Path and version of a program of the distribution."""
    path = shutil.which(name)
    if path is None:
        return "", ""
    told = subprocess.run([path, *version], check=False, capture_output=True, text=True)
    words = (told.stdout + told.stderr).split()
    return path, next((word.strip("v,()") for word in words if word.strip("v")[:1].isdigit()), "")


def from_npm(package: str) -> tuple[str, str]:
    """Folder and version of an npm package."""
    modules = node_modules(package)
    if modules is None or shutil.which("node") is None:
        return "", ""
    folder = modules / package
    return str(folder), json.loads((folder / "package.json").read_text())["version"]


def from_go(module: str) -> tuple[str, str]:
    """Path and version of a Go program, installed where it is not yet."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        return "", ""
    folder = cache() / "go"
    program = folder / module.rpartition("/")[2]
    if not program.exists():
        environment = {**os.environ, "GOBIN": str(folder)}
        if subprocess.run([go, "install", f"{module}@latest"], check=False, env=environment).returncode:
            return "", ""
    told = subprocess.run([go, "version", "-m", str(program)], check=True, capture_output=True, text=True)
    versions = [line.split()[2] for line in told.stdout.splitlines() if line.split()[:1] == ["mod"]]
    return str(program), versions[0].removeprefix("v") if versions else ""


def from_pip(package: str, program: str) -> tuple[str, str]:
    """A Python package in an environment of its own: the program's path and its version."""
    folder = cache() / package
    path = folder / "bin" / program
    if not path.exists():
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "pip"), "install", "--quiet", package],
        ):
            if subprocess.run(command, check=False).returncode:
                return "", ""
    return str(path), _version(folder, package)


def carbon_cache() -> tuple[str, str]:
    """The environment that live tests use: the folder of its programs, and carbon's version."""
    folder = carbon.environment()
    return (str(folder / "bin"), _version(folder, "carbon")) if folder else ("", "")


def _version(environment: Path, package: str) -> str:
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    command = [str(environment / "bin" / "python"), "-c", ask]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

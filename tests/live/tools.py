"""Other people's programs that live tests use, brought by their own package clients."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
"""What drives other people's clients, a folder or file each."""

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>live</groupId><artifactId>live</artifactId><version>1</version><dependencies><dependency>
<groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version>
</dependency></dependencies></project>
"""


def cache() -> Path:
    """Where they are kept between runs: beside the environment that runs the tests."""
    folder = Path(sys.prefix) / "live"
    folder.mkdir(exist_ok=True)
    return folder


def which(program: str) -> bool:
    """Whether a program is installed."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") is not None


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


def go_program(name: str, module: str) -> Path | None:
    """``programs/NAME`` built with a Go module (``path@version``); None when it cannot be."""
    if not which("go"):
        return None
    source = PROGRAMS / name / "main.go"
    folder = _folder_for("go", name, module, source)
    if not (folder / name).exists():
        shutil.copy(source, folder)
        (folder / "go.mod").write_text("module live\n\ngo 1.18\n")
        if not _ran(folder, ["go", "get", module], ["go", "build", "-o", name, "."]):
            return None
    return folder / name


def java_classes(name: str, artifact: str) -> str | None:
    """The class path with ``programs/NAME`` compiled against a Maven artifact (``group:name:version``)
    and all that it needs; None when it cannot be had."""
    if not (which("mvn") and which("javac")):
        return None
    (source,) = (PROGRAMS / name).glob("*.java")
    folder = _folder_for("java", name, artifact, source)
    path = f"{folder}:{folder}/lib/*"
    if not (folder / f"{source.stem}.class").exists():
        (folder / "pom.xml").write_text(_POM.format(*artifact.split(":")))
        bring = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder}/lib"]
        if not _ran(folder, bring, ["javac", "-cp", path, "-d", str(folder), str(source)]):
            return None
    return path


def _folder_for(language: str, name: str, package: str, source: Path) -> Path:
    """The folder of what is built from a source and a package; another one when either changes."""
    digest = hashlib.sha256(package.encode() + source.read_bytes()).hexdigest()[:12]
    folder = cache() / language / f"{name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _ran(folder: Path, *commands: list[str]) -> bool:
    return not any(subprocess.run(one, check=False, cwd=folder, timeout=300).returncode for one in commands)

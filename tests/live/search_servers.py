"""Real Elasticsearch and OpenSearch nodes, put together from the jars that their makers publish.

What is not published is not there: security, ILM and ISM, scripts, delete by query.  A build is
kept in the user's cache, named by everything that it was made of, so a machine builds once.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import subprocess
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

from tests.live.tools import which

SOURCES = Path(__file__).parent / "servers"
START_SECONDS = 90
BUILD_SECONDS = 600
HEAP = ("-Xms512m", "-Xmx512m")
SOON = (*HEAP, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Ready sooner, and slower for ever: for tests that are over before a compiler has earned its keep."""
BUILD = 1
"""Which way of building; greater when ``_build`` does something else."""


class Kind(NamedTuple):
    """Which server, in which version, on which Java."""

    name: str
    version: str
    java: int

    @property
    def scheme(self) -> str:
        """Of a store's URL."""
        return f"{self.name}+http"


NEWEST = (Kind("elasticsearch", "9.5.3", 21), Kind("opensearch", "3.8.0", 21))
OLDER = (Kind("elasticsearch", "8.19.21", 17), Kind("opensearch", "2.19.6", 17))
KINDS = OLDER if os.environ.get("METRONOME_CLUSTERS") == "older" else NEWEST
"""Those of this run."""
ELASTICSEARCH, OPENSEARCH = KINDS

_DESCRIPTOR = """\
name={name}
description={name}
version={version}
{server}.version={version}
java.version={java}
classname={classname}
"""


def java_home(least: int) -> Path | None:
    """The oldest JDK here of at least this version."""
    found = []
    places = {os.environ.get("JAVA_HOME", ""), *glob.glob("/usr/lib/jvm/*"), *glob.glob("/opt/jdk*")}
    if which("javac"):
        places.add(str(Path(os.path.realpath(shutil.which("javac") or "")).parent.parent))
    for place in places:
        javac = Path(place) / "bin" / "javac"
        if place and javac.exists():
            told = subprocess.run([javac, "-version"], capture_output=True, text=True, check=False).stdout
            version = int((re.search(r"javac (\d+)", told) or [0, 0])[1])
            found += [(version, Path(place))] if version >= least else []
    return min(found)[1] if found else None


def built(kind: Kind) -> Path | None:
    """The folder of a build, made if need be; None when there is no Maven or no JDK for it."""
    java = java_home(kind.java)
    if java is None or not which("mvn"):
        return None
    folders = {SOURCES / kind.name, _own(kind)}
    sources = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    sources.append(SOURCES / "log4j2.properties")
    digest = hashlib.sha256(f"{BUILD} {kind.version}".encode())
    for path in sources:
        digest.update(path.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metronome-tests"
    folder = cache / f"{kind.name}-{kind.version}-{digest.hexdigest()[:12]}"
    if not (folder / "built").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _build(kind, folder, java)
        (folder / "built").touch()
    return folder


def _own(kind: Kind) -> Path:
    """The folder of what differs between major versions."""
    own = SOURCES / f"{kind.name}{kind.version.partition('.')[0]}"
    return own if own.is_dir() else SOURCES / kind.name


def _build(kind: Kind, folder: Path, java: Path) -> None:
    source, lib, modules = SOURCES / kind.name, folder / "lib", folder / "home" / "modules"
    for one in (modules, folder / "home" / "config", folder / "home" / "plugins"):
        one.mkdir(parents=True)
    shutil.copy(SOURCES / "log4j2.properties", folder / "home" / "config")
    _bring(kind, source / "pom.xml", lib)
    _compile(java, lib, _own(kind) / "LiveNode.java", folder / "main")
    netty = modules / "transport-netty4"
    netty.mkdir()
    if kind.name == "opensearch":
        _bring(kind, source / "module.xml", netty)
        for jar in netty.iterdir():
            if (lib / jar.name).exists():
                jar.unlink()
        with zipfile.ZipFile(netty / f"transport-netty4-client-{kind.version}.jar") as jar_file:
            (plugin,) = [name for name in jar_file.namelist() if re.search(r"/\w+Plugin\.class$", name)]
        _describe(kind, netty, plugin.removesuffix(".class").replace("/", "."))
        return
    for pattern in ("netty-*.jar", "transport-netty4-*.jar", "elasticsearch-ssl-config-*.jar"):
        for jar in lib.glob(pattern):
            jar.rename(netty / jar.name)
    with zipfile.ZipFile(netty / f"transport-netty4-{kind.version}.jar") as jar_file:
        text = jar_file.read("META-INF/es-plugins/transport-netty4/plugin-descriptor.properties").decode()
    # The server is on the class path here, so its modules have no names in Java's sense.
    lines = [line for line in text.splitlines() if not line.startswith("modulename=")]
    (netty / "plugin-descriptor.properties").write_text("\n".join(lines) + "\n")
    _compile(java, lib, _own(kind) / "root" / "live" / "RootPlugin.java", folder / "root")
    root = modules / "root"
    root.mkdir()
    with zipfile.ZipFile(root / "root.jar", "w") as packed:
        for compiled in (folder / "root").rglob("*.class"):
            packed.write(compiled, compiled.relative_to(folder / "root"))
    _describe(kind, root, "live.RootPlugin")


def _bring(kind: Kind, pom: Path, folder: Path) -> None:
    _run("mvn", "-q", "-B", "-ntp", "-f", str(pom), f"-Dserver.version={kind.version}",
         "dependency:copy-dependencies", f"-DoutputDirectory={folder}")  # fmt: skip


def _compile(java: Path, lib: Path, source: Path, folder: Path) -> None:
    _run(str(java / "bin" / "javac"), "-nowarn", "-cp", f"{lib}/*", "-d", str(folder), str(source))


def _describe(kind: Kind, folder: Path, classname: str) -> None:
    text = _DESCRIPTOR.format(
        name=folder.name, version=kind.version, server=kind.name, java=kind.java, classname=classname
    )
    (folder / "plugin-descriptor.properties").write_text(text)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


class RunningServer:
    """One node on a port of its own, which stays the same over ``kill`` and ``start``; a context
    manager that ends it."""

    def __init__(
        self, kind: Kind, build: Path, folder: Path, port: int, java: tuple[str, ...] = HEAP, **settings: str
    ):
        """``java``: options of its virtual machine."""
        self.kind = kind
        self.port = port
        self.folder = folder
        self._build = build
        self._settings = settings
        self._java = java
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Of the store that it is."""
        return f"{self.kind.scheme}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written."""
        path = self.folder / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether it has been started, and has not ended."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> RunningServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start and wait until it serves."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start; ``wait`` waits until it serves."""
        java = java_home(self.kind.java)
        assert java is not None
        home, data = self._build / "home", self.folder / "data"
        (self.folder / "scratch").mkdir(exist_ok=True)
        settings = {
            "path.data": str(data),
            "path.logs": str(self.folder / "logs"),
            "cluster.name": "live",
            "node.name": "live",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": str(self.port),
            "transport.port": "0",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            **self._settings,
        }
        command = [
            str(java / "bin" / "java"),
            *self._java,
            f"-Djava.io.tmpdir={self.folder / 'scratch'}",
            f"-Des.path.home={home}",
            "-Des.networkaddress.cache.ttl=60",
            "-Djava.awt.headless=true",
            "-Dlog4j2.disable.jmx=true",
            "-Dlog4j.shutdownHookEnabled=false",
            "-Dio.netty.noUnsafe=true",
            "--enable-native-access=ALL-UNNAMED",
            "--add-modules=jdk.incubator.vector",
            "-cp",
            f"{self._build / 'main'}:{self._build / 'lib'}/*",
            "LiveNode",
            str(home),
            *(f"{name}={value}" for name, value in settings.items()),
        ]
        (self.folder / "console.log").unlink(missing_ok=True)
        with open(self.folder / "console.log", "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait(self) -> None:
        """Wait until it serves."""
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while "READY " not in self.log:
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"{self.kind.name} did not start:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def clean(self) -> None:
        """Delete everything of it."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL, as an outage."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

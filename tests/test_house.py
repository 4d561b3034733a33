"""The rules of the house (doc/architecture.md), held by reading the source."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "metronome"
MODULES = sorted(PACKAGE.rglob("*.py"))

FILE_LINES, FUNCTION_LINES, LINE_COLUMNS = 600, 70, 110

WORDS = {"model", "errors", "limits", "glob", "addresses", "kernel"}
PURE = {"wire", "fold", "query", "analytics"}
MAY_IMPORT = {
    **dict.fromkeys(WORDS, WORDS),
    "wire": WORDS | {"wire"},
    "fold": WORDS | {"fold"},
    "query": WORDS | {"query", "fold"},
    "analytics": WORDS | {"analytics", "fold"},
    "threads": WORDS | {"threads"},
    "journal": WORDS | {"journal", "threads"},
    "store": WORDS | {"store", "wire", "fold", "threads"},
    "gateway": WORDS | PURE | {"gateway", "journal.interface", "store.interface", "threads.interface"},
    "receivers": WORDS | {"receivers", "wire", "gateway"},
    "web": WORDS | {"web", "wire", "gateway", "analytics"},
}
"""Folder (or module of the top) to what it may import of ours; who is not named may import all."""

IMPURE = {
    *("asyncio", "multiprocessing", "os", "random", "secrets", "select", "selectors", "shutil", "signal"),
    *("socket", "subprocess", "sys", "tempfile", "threading", "time", "twisted", "urllib.request", "zope"),
}
"""What a layer that gets bytes and ``now`` has no use for."""
IMPURE_WITH_REASON = {
    "kernel/__init__.py": {"os"},  # METRONOME_PURE
    "kernel/datagrams.py": {"os", "socket", "sys"},  # drain(fd) of the pure twin
}
CLOCK_READERS = {"cli.py", "remote.py", "logging.py", "client.py"}
"""Programs of their own and what applications import: the only ones that read the clock."""

TESTED_ELSEWHERE = {
    "service.py": "tests/test_twistd.py",
    "assembly.py": "tests/test_twistd.py",
    "receivers/__init__.py": "tests/receivers/test_receivers.py",
}
"""Modules without a behaviour of their own, and the test that runs them."""

ENTRIES = ("metronome.tap", "metronome.cli", "metronome.worker", "metronome.logging", "metronome.client")
"""Where programs begin, and what applications import."""

TWINS = ("metronome.journal.memory_disk", "metronome.threads.memory")
"""In-memory twins beside what they stand for; the simulation runs on them."""

WALKED = ("ENDPOINT", "RECEIVER", "SCHEME", "FUNCTIONS")
"""Constants by which a folder's walk finds a module that nobody imports by name."""

CODE = ("*.py", "*.pyx", "*.c", "*.h", "*.js", "*.css", "Makefile", "scripts/*", ".ci/run")
TEXT = ("*.md", "*.toml", "*.html", "*.sql", "*.cfg")

UNFINISHED = r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError"
MACHINE = r"(^|[^A-Za-z0-9_./-])/(work|farm|root)/[a-z]"
REGISTRY = r"\b(pypi\.org|npmjs\.(org|com)|repo1?\.maven\.|proxy\.golang\.org)"
SKIPS = r"unittest\.mock|mock\.patch|pytest\.(skip|xfail|importorskip)|mark\.(skip|xfail)|SkipTest"

OTHERS_WORDS = {
    *("backend", "backends", "datapoint", "datapoints", "exporter", "spool", "wal", "tenant", "dimensions"),
    *("attrs", "sink", "todo", "tmp", "misc", "util", "utils", "helper", "manager"),
}
"""Parts of names that the glossary has another word for, or that say nothing."""


def name(path: Path) -> str:
    """A module's path inside the package."""
    return path.relative_to(PACKAGE).as_posix()


def folder(path: Path) -> str:
    """The folder of the package that a module lies in, or its own name at the top."""
    return name(path).partition("/")[0].removesuffix(".py")


def tracked(*patterns: str) -> list[Path]:
    """Files that belong to the project; those of this work tree where git is not there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split("\n")
    files = [ROOT / line for line in listed if line and "static/vendor" not in line]
    return [file for file in files if file.is_file()]


def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(module: ast.Module) -> Iterator[str]:
    """Dotted names that a module imports, those for type checking left out."""
    skipped: set[int] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(module):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_in(imported: str, allowed: set[str]) -> bool:
    """Whether a dotted name is one of these or inside one."""
    return any(imported == one or imported.startswith(one + ".") for one in allowed)


def test_imports_go_downward() -> None:
    """A folder imports itself and what lies below it, nothing else."""
    wrong = []
    for path in MODULES:
        allowed = MAY_IMPORT.get(folder(path))
        if allowed is None:
            continue
        for found in imports(tree(path)):
            own = found.removeprefix("metronome.")
            if own != found and not is_in(own, allowed | {"__version__"}):
                wrong.append(f"{name(path)} imports {own}")
    assert not wrong, "\n".join(wrong)


def test_the_lower_layers_know_no_world() -> None:
    """No Twisted, clock, socket, file system, thread or chance below the third layer."""
    wrong = []
    for path in MODULES:
        if folder(path) in WORDS | PURE:
            outside = IMPURE - IMPURE_WITH_REASON.get(name(path), set())
            wrong += [f"{name(path)}: {found}" for found in imports(tree(path)) if is_in(found, outside)]
            if re.search(r"(?<![\w.])open\(", path.read_text()):
                wrong.append(f"{name(path)} opens a file")
    assert not wrong, "\n".join(wrong)


def test_only_tap_knows_the_reactor_and_only_programs_read_the_clock() -> None:
    """Everything else is handed a reactor; its clock is the only one."""
    wrong = []
    for path in MODULES:
        if name(path) != "tap.py":
            reactor = {"twisted.internet.reactor"}
            wrong += [f"{name(path)}: {found}" for found in imports(tree(path)) if is_in(found, reactor)]
        clock = re.search(r"\btime\.(time|monotonic|perf_counter)(_ns)?\(", path.read_text())
        if clock and name(path) not in CLOCK_READERS:
            wrong.append(f"{name(path)}: {clock[0]}")
    assert not wrong, "\n".join(wrong)


def test_no_state_at_module_level() -> None:
    """What can change belongs to an object; tables are UPPERCASE or Final and never written to."""
    wrong = []
    for path in MODULES:
        module = tree(path)
        wrong += [f"{name(path)}: {one}" for one in module_state(module)]
        wrong += [f"{name(path)}: global" for node in ast.walk(module) if isinstance(node, ast.Global)]
    assert not wrong, "\n".join(wrong)


def module_state(module: ast.Module) -> Iterator[str]:
    """Names at module level that hold something mutable and are no constants."""
    mutable = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
    makers = {"list", "dict", "set", "defaultdict", "deque", "Counter", "OrderedDict", "bytearray"}
    for node in module.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        made = isinstance(node.value, ast.Call) and ast.unparse(node.value.func).rpartition(".")[2] in makers
        final = isinstance(node, ast.AnnAssign) and "Final" in ast.unparse(node.annotation)
        if final or not (made or isinstance(node.value, mutable)):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (one for one in map(ast.unparse, targets) if one != one.upper() and one != "__all__")


def test_functions_are_short_and_excepts_narrow() -> None:
    """At most 70 lines a function; an except names what it expects and does something."""
    wrong = []
    for path in [*MODULES, *tracked("tests/*.py")]:
        for node in ast.walk(tree(path)):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                wrong += [f"{place} {node.name}: {length} lines"] if length > FUNCTION_LINES else []
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else ""
                broad = caught in ("", "Exception", "BaseException") and not reraises(node)
                wrong += [f"{place}: broad except"] if broad else []
                wrong += [f"{place}: silent except"] if isinstance(node.body[0], ast.Pass) else []
    assert not wrong, "\n".join(wrong)


def reraises(caught: ast.ExceptHandler) -> bool:
    """Whether an except clause only tidies up and lets the error rise."""
    last = caught.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_files_and_lines_keep_their_ceilings() -> None:
    """A file that grows is cut by idea."""
    wrong = []
    for path in tracked(*CODE):
        lines = path.read_text(encoding="utf-8").splitlines()
        place = path.relative_to(ROOT).as_posix()
        wrong += [f"{place}: {len(lines)} lines"] if len(lines) > FILE_LINES else []
        wrong += [f"{place}:{at}" for at, line in enumerate(lines, 1) if len(line) > LINE_COLUMNS]
    assert not wrong, "\n".join(wrong)


def test_every_module_has_its_test() -> None:
    """metronome/fold/sketch.py is tested by tests/fold/test_sketch.py."""
    wrong = []
    for path in MODULES:
        acts = any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree(path)))
        relative = path.relative_to(PACKAGE)
        own = Path("tests") / relative.parent / f"test_{relative.stem.strip('_')}.py"
        expected = TESTED_ELSEWHERE.get(relative.as_posix(), own.as_posix())
        if acts and path.name != "interface.py" and not (ROOT / expected).exists():
            wrong.append(f"{relative} has no {expected}")
    assert not wrong, "\n".join(wrong)


def test_no_module_is_dead() -> None:
    """Every module is imported by another one, found by a walk, or where a program begins."""
    used = set(ENTRIES)
    for path in MODULES:
        for found in imports(tree(path)):
            used |= {found, found.rpartition(".")[0]}
    wrong = []
    for path in MODULES:
        dotted = "metronome." + name(path).removesuffix(".py").replace("/", ".")
        walked = any(re.search(rf"^{constant}\b", path.read_text(), re.MULTILINE) for constant in WALKED)
        if path.name != "__init__.py" and not walked and dotted not in used and dotted not in TWINS:
            wrong.append(dotted)
    assert not wrong, "\n".join(wrong)


def test_names_use_the_words_of_the_house() -> None:
    """One word per idea: what the glossary calls otherwise, or what says nothing, is no name."""
    wrong = []
    for path in MODULES:
        for one in defined(tree(path)):
            parts = set(re.sub(r"([a-z])([A-Z])", r"\1_\2", one).lower().split("_"))
            wrong += [f"{name(path)}: {one}"] if OTHERS_WORDS & parts else []
    assert not wrong, "\n".join(wrong)


def defined(module: ast.Module) -> Iterator[str]:
    """Names that a module gives to functions, classes, arguments and variables."""
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def test_what_is_public_explains_itself() -> None:
    """Modules that hold anything, and public classes and functions, have docstrings."""
    wrong = []
    for path in MODULES:
        module = tree(path)
        wrong += [name(path)] if module.body and not ast.get_docstring(module) else []
        for node in module.body:
            public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
            wrong += [f"{name(path)}: {node.name}"] if public and not ast.get_docstring(node) else []
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_to_do_and_no_machine_is_named() -> None:
    """The repository speaks of Metronome alone, finished as it stands."""
    wrong = []
    for path in tracked(*CODE, *TEXT):
        text = path.read_text(encoding="utf-8")
        place = path.relative_to(ROOT).as_posix()
        for what, pattern in (("unfinished", UNFINISHED), ("machine", MACHINE), ("registry", REGISTRY)):
            found = re.search(pattern, text, re.MULTILINE)
            if found and path.name != Path(__file__).name:
                wrong.append(f"{place}: {what}: {found[0].strip()}")
    assert not wrong, "\n".join(wrong)


def test_tests_use_fakes_and_skip_only_loudly() -> None:
    """No mocks; a test is left out only where a live server or the native kernel is missing."""
    allowed = ("tests/live/conftest.py", "tests/kernel/conftest.py", "tests/test_house.py")
    wrong = []
    for path in tracked("tests/*.py"):
        place = path.relative_to(ROOT).as_posix()
        found = re.search(SKIPS, path.read_text(encoding="utf-8"))
        if found and place not in allowed:
            wrong.append(f"{place}: {found[0]}")
    assert not wrong, "\n".join(wrong)

"""The tables of the documentation that the code knows better: ``make doc`` writes them anew.

Each stands in its page between ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

from metronome import errors, limits
from metronome.gateway.telemetry import ADVICE, CATALOGUE
from metronome.options import KEYS

DOC = Path(__file__).parent.parent / "doc"
BETWEEN = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rows(head: tuple[str, ...], body: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *body]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def options() -> str:
    """Settings that are options of the command line."""
    body: list[tuple[str, ...]] = [
        (f"`--{key.name} {key.metavar}`", default(key.default), key.help) for key in KEYS if key.option
    ]
    body.append(("`--check-config`", "off", "print the resolved configuration; exit 0 or 1"))
    return rows(("option", "default", "meaning"), body)


def tables() -> str:
    """Settings that stand in tables of the file."""
    body = [(f"`{key.name}`", default(key.default), key.help) for key in KEYS if not key.option]
    return rows(("key", "default", "meaning"), body)


def default(value: object) -> str:
    """A default as it is written."""
    items = value if isinstance(value, tuple) else (value,)
    shown = [str(item).lower() if isinstance(item, bool) else str(item) for item in items if item != ""]
    return " ".join(f"`{item}`" for item in shown) or "none"


def metrics() -> str:
    """What the gateway tells of itself."""
    body = [
        (f"`{name}`", kind, " ".join(f"`{label}`" for label in labels), meaning, ADVICE.get(name, ""))
        for name, (kind, labels, meaning) in CATALOGUE.items()
    ]
    return rows(("name", "type", "labels", "meaning", "what to do when it moves"), body)


def reasons(of: dict[str, str]) -> Callable[[], str]:
    """One of the closed lists of reasons."""
    return lambda: rows(("reason", "meaning"), [(f"`{name}`", meaning) for name, meaning in of.items()])


def bounds() -> str:
    """Every bound with its reason, from the texts below the names in ``limits.py``."""
    body: list[tuple[str, ...]] = []
    module = ast.parse(Path(limits.__file__).read_text(encoding="utf-8"))
    for node in module.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            body.append((f"`{name}`", f"{getattr(limits, name):,}", ""))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and body:
            text = re.sub(r"\s+", " ", str(node.value.value)).replace("``", "`")
            body[-1] = (*body[-1][:2], text)
    return rows(("name", "value", "reason"), body)


TABLES: dict[str, Callable[[], str]] = {
    "options": options,
    "tables": tables,
    "metrics": metrics,
    "reject": reasons(errors.REJECT_REASONS),
    "note": reasons(errors.NOTE_REASONS),
    "shed": reasons(errors.SHED_REASONS),
    "divert": reasons(errors.DIVERT_REASONS),
    "request": reasons(errors.REQUEST_REASONS),
    "bounds": bounds,
}


def renewed(text: str) -> str:
    """A page with its tables as they should be."""
    return BETWEEN.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main() -> None:
    """Write every page whose tables have changed."""
    for page in sorted(DOC.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if renewed(text) != text:
            page.write_text(renewed(text), encoding="utf-8")
            print(f"{page.name} has new tables")


if __name__ == "__main__":
    main()

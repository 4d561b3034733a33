"""``python -m tests.bench [section ...]``: measure and print."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def sections() -> list[str]:
    """The modules of this folder that measure."""
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    return [name for name in names if not name.startswith("_") and hasattr(load(name), "measure")]


def load(name: str):  # type: ignore[no-untyped-def]
    return importlib.import_module(f"tests.bench.{name}")


def main() -> None:
    for name in sys.argv[1:] or sections():
        print(f"\n{name}: {(load(name).__doc__ or '').splitlines()[0]}", flush=True)
        for figure in load(name).measure():
            print(f"  {figure.what:<58} {figure.value:>12,.2f} {figure.unit:<12} {figure.note}", flush=True)


if __name__ == "__main__":
    main()

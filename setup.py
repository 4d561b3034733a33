"""Builds and installs Metronome.

The native kernel is optional: without a compiler or without Cython the package installs all
the same and runs on the pure twin.  ``pyproject.toml`` names what a build needs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from setuptools import Extension, find_packages, setup

HERE = Path(__file__).resolve().parent
KERNEL = Path("metronome/kernel")

RUNTIME = [
    "twisted[tls]>=24.11",
    "numpy>=1.26,<3",
    "duckdb>=1.2,<3",
    "elasticsearch>=8.19,<10",
    "opensearch-py>=3,<4",
    "orjson>=3.10,<4",
    "zstandard>=0.22,<1",
    "cramjam>=2.8,<3",
    "PyYAML>=6,<7",
    "tzdata>=2024.1",
]
"""What runs.  ``doc/dependencies.md`` gives the reason for each."""

TEST = [
    "pytest>=8.2",
    "hypothesis>=6.100",
    "mypy>=1.11",
    "mypy-zope>=1.0.7",
    "ruff>=0.6",
    "ddsketch>=3",
    "prometheus-client>=0.20",
    "statsd>=4",
    "datadog>=0.49",
    "selenium>=4.20",
    "treq>=24.9",
    "protobuf>=5",
    "types-protobuf>=5",
    "types-PyYAML>=6",
    "cython>=3.1",
    "setuptools>=77",
]


def version() -> str:
    """The one that ``metronome/__init__.py`` names; read, not imported."""
    text = (HERE / "metronome/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    assert found, "metronome/__init__.py names no version"
    return found.group(1)


def readme() -> str:
    """The long description; empty where only the sources were taken along."""
    file = HERE / "README.md"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def extensions() -> list[Any]:
    """The native kernel, where its source and Cython are there; otherwise none."""
    if not (HERE / KERNEL / "_fast.pyx").exists():
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    helpers = sorted(path.name for path in (HERE / KERNEL).glob("*.c") if path.name != "_fast.c")
    fast = Extension(
        "metronome.kernel._fast",
        sources=[str(KERNEL / name) for name in ["_fast.pyx", *helpers]],
        depends=sorted(str(KERNEL / path.name) for path in (HERE / KERNEL).glob("*.h")),
        include_dirs=[str(KERNEL)],
        extra_compile_args=["-O3", "-ffp-contract=off"],
    )
    modules: list[Any] = cythonize([fast], language_level=3)
    for module in modules:
        # Set here because cythonize makes extensions of its own and forgets this.
        module.optional = True
    return modules


setup(
    name="metronome",
    version=version(),
    description="What a distributed application says about itself: statsd, Graphite and ticks in one process",
    long_description=readme(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # twisted.plugins has no __init__.py of ours: the one file is laid beside Twisted's own.
    packages=[*find_packages(include=["metronome", "metronome.*"]), "twisted.plugins"],
    package_data={
        "metronome.store": ["schema/*"],
        "metronome.web": ["static/*", "static/*/*", "static/*/*/*"],
        "metronome": ["py.typed"],
    },
    include_package_data=False,
    ext_modules=extensions(),
    install_requires=RUNTIME,
    extras_require={"test": TEST},
    entry_points={"console_scripts": ["metronome = metronome.cli:main"]},
    zip_safe=False,
    classifiers=[
        "Framework :: Twisted",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Cython",
        "Programming Language :: Python :: 3",
        "Topic :: System :: Monitoring",
    ],
)

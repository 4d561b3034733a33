"""One suite over both twins of the kernel."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest


def twin(name: str) -> ModuleType:
    """The twin's module.  A native one that is not built is a failure where
    ``METRONOME_REQUIRE_NATIVE`` is set, and said aloud elsewhere."""
    if name == "pure":
        return importlib.import_module("metronome.kernel._pure")
    try:
        return importlib.import_module("metronome.kernel._fast")
    except ImportError:
        if os.environ.get("METRONOME_REQUIRE_NATIVE", "") not in ("", "0"):
            raise
        pytest.skip("the native kernel is not built: python setup.py build_ext --inplace")


@pytest.fixture(params=["pure", "native"])
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return twin(request.param)


@pytest.fixture
def native() -> ModuleType:
    """The native twin, to be held to the pure one."""
    return twin("native")

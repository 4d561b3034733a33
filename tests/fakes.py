"""Stand-ins that behave: in-memory twins that only tests need.  Fakes, never mocks."""

from __future__ import annotations

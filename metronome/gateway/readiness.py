"""Whether the operator wants this gateway to be sent anything: statsd's ``health up`` and ``health down``.

It changes nothing of what the gateway does; ``GET /ready`` and the admin console tell it to whoever
shares the load among several.
"""

from __future__ import annotations


class Readiness:
    """One word that is set by hand; up from the start."""

    def __init__(self) -> None:
        self.up = True

    @property
    def word(self) -> str:
        """``up`` or ``down``."""
        return "up" if self.up else "down"

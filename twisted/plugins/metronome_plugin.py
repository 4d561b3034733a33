"""Names Metronome to ``twistd``; no logic."""

from twisted.application.service import ServiceMaker

metronome = ServiceMaker(
    "Metronome",
    "metronome.tap",
    "Statsd, Graphite and ticks in; points, tock, Graphite and Prometheus out.",
    "metronome",
)

"""Metronome: what a distributed application says about itself, in one process."""

__version__ = "0.1.0"

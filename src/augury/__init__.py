"""Augury: an event-contract exchange that is a pure function of its log."""

__version__ = "0.1.0"

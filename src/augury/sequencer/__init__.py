"""One order for all commands, durable before they count."""

from augury.sequencer.sequencer import Sequencer

__all__ = ["Sequencer"]

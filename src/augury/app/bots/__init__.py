"""Demo bots: members like any other, who trade through the public API from a process of their own.

Makers quote around a fair value that drifts, takers trade towards it, noise trades at random.
What they do is decided by pure functions of seed, time and what they see (``making``,
``taking``); everything else here brings them the view and carries out their decisions.
"""

from augury.app.bots.process import BotProcess, start_bots

__all__ = ["BotProcess", "start_bots"]

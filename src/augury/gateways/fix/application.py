"""What the session layer expects of the messages above it.

The session layer (``session.py``, ``acceptor.py``) owns bytes, sequence numbers and connections;
the application owns orders, quotes and reports. They meet here, in one thread.
"""

from typing import Protocol

from augury.core.applied import Applied
from augury.core.state import Exchange
from augury.gateways.fix.codec import Message
from augury.gateways.fix.session import Session


class Application(Protocol):
    """Everything above the session layer. Calls belong to the event loop's thread."""

    @property
    def wants_every_record(self) -> bool:
        """Whether records that nobody was connected for matter all the same."""
        ...

    def logged_on(self, session: Session) -> None:
        """The session has answered the Logon; from now on ``session.send`` reaches the client."""
        ...

    async def received(self, session: Session, message: Message) -> None:
        """An application message that is in sequence, well-formed, allowed on this kind of session
        and within the rate limit.

        Messages of one session are handed over in their order, each in a task of its own that is
        begun before the next: whatever happens before the first ``await`` happens in order, and
        what must not overtake what is still under way has to wait for it here. It answers with
        ``session.send``, ``session.reject`` or ``session.business_reject``. What it raises becomes
        a BusinessMessageReject (``Unavailable``: application not available).
        """
        ...

    async def disconnected(self, session: Session, clean: bool) -> None:
        """The connection is gone, after an exchange of Logouts when ``clean``.

        Also called at a start for sessions with ``options.cancel_on_disconnect`` that were
        connected when the process ended; ``clean`` is False then. The session's key cannot log on
        again before this returns.
        """
        ...

    async def clean(self) -> None:
        """Let go of what is kept for a limited time; called every minute."""
        ...

    def applied(self, applied: Applied, state: Exchange) -> None:
        """A record was applied, and ``state`` is the one right after it. Must not block.

        Called for every record from the stored position on: at a start, before anybody is
        connected, for those that the log has beyond it, then live. What ``send`` numbers meanwhile
        is stored in one transaction with the record's sequence, so that after a crash the reports
        of each record are produced exactly once. Everything needed must come from ``applied``,
        ``state`` and ``session.options``: nothing that is only in memory survives.
        """
        ...

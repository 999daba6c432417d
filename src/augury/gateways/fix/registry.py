"""The sessions that exist: those with a client connected, and those that wait for theirs."""

from collections.abc import Iterator

from augury.gateways.fix.dictionary import Kind
from augury.gateways.fix.session import Session


class Sessions:
    """All sessions by kind and API key.

    A session without retransmission is here while its client is connected; one with it from its
    first Logon on, over disconnections and restarts. Order is that of the first Logon.
    """

    def __init__(self) -> None:
        self._sessions: dict[tuple[Kind, int], Session] = {}
        self._by_member: dict[int, list[Session]] = {}

    def get(self, kind: Kind, api_key_id: int) -> Session | None:
        return self._sessions.get((kind, api_key_id))

    def of_member(self, member_id: int) -> tuple[Session, ...]:
        """The sessions of all API keys of a member."""
        return tuple(self._by_member.get(member_id, ()))

    def of_kind(self, kind: Kind) -> list[Session]:
        return [session for session in self._sessions.values() if session.kind is kind]

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: Session) -> None:
        """For the acceptor."""
        principal = session.principal
        self.remove(session)
        self._sessions[(session.kind, principal.api_key_id)] = session
        self._by_member.setdefault(principal.member_id, []).append(session)

    def remove(self, session: Session) -> None:
        """For the acceptor."""
        principal = session.principal
        found = self._sessions.pop((session.kind, principal.api_key_id), None)
        if found is None:
            return
        of_member = self._by_member[principal.member_id]
        of_member.remove(found)
        if not of_member:
            del self._by_member[principal.member_id]

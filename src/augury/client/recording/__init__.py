"""Recordings of an exchange's stream: what was received, byte for byte, and when.

    from augury.client.recording import Recording

    recording = Recording("recordings/monday")
    for message in recording.messages(markets=["KXRAIN-1"]):
        print(message.received, message.seq, message.data)
    book = recording.state_at(recording.last_ns).books["KXRAIN-1"]

``Recording`` reads one, also while it is still being written; ``RecordingWriter`` writes one and
knows nothing of sockets (``augury.client.recorder`` does). The files are described in
docs/recordings.md.
"""

from augury.client.recording.format import (
    Record,
    RecordingDamaged,
    RecordingError,
)
from augury.client.recording.reader import Gap, Message, Recording
from augury.client.recording.state import FeedState, Seen
from augury.client.recording.writer import RecordingWriter

__all__ = [
    "FeedState",
    "Gap",
    "Message",
    "Record",
    "Recording",
    "RecordingDamaged",
    "RecordingError",
    "RecordingWriter",
    "Seen",
]

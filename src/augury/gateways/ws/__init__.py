"""The WebSocket gateway: commands of clients in, channels of messages out (websocket.md).

It reads the exchange through the gate and never changes it. Start with ``app`` for the life of
a connection, ``publisher`` for what an event turns into, ``delivery`` for how it gets to those
who want it, ``session`` for the command protocol.
"""

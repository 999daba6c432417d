"""The exchange core: a pure state machine, ``apply(state, command) -> events``.

Nothing in this package reads a clock, draws a random number, performs I/O, logs, or uses a
float. Time arrives with each record; ids derive from the record's sequence number. The same
sources run interpreted or compiled by mypyc and give the same events either way.
"""

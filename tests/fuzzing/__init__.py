"""Bytes of every kind into everything that reads bytes.

A target is a function of some bytes that raises when the exchange does anything that it must not:
another error than the documented one, an answer of 5xx, a message that is no JSON, a cent too
much. ``make fuzz`` looks for such bytes, guided by coverage where atheris is installed; the tests
try a few hundred of each kind, the same ones every time, and all that once failed.
"""

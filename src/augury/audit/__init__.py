"""An auditor that trusts nobody: it reads the log and does the exchange's sums again.

Nothing here knows the core, the codec or any other package of the exchange, and a test keeps it
so: the format of the log and every rule that moves money are written down a second time, short,
slow and clear. Two implementations that agree to the micro-dollar on every fill, settlement,
balance and position are unlikely to share a mistake.

``reading`` turns the file into entries, ``auditor`` carries them out, ``comparing`` puts its
figures beside somebody else's and names the first that differs.
"""

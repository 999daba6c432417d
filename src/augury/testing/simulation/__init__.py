"""A deterministic simulator of the whole exchange. See docs/simulation.md.

python -m augury.testing.simulation --seed 7
"""

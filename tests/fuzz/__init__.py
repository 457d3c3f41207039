"""Inputs that nobody would send on purpose, or only on purpose: many of them.

``make test`` tries some hundred of each kind, ``make fuzz`` 100,000 (``FUZZ_INPUTS``). Hypothesis
chooses them; a failing one is printed smallest first, and comes back from the printed seed
(``make fuzz ARGS="--hypothesis-seed=N"``).
"""

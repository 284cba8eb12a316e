"""The coverage of policies by their tests: what of each policy ran, and with which outcomes.

Expressions are measured by the recording form of their code, Python by coverage.py. Only `gatewright test --coverage`
imports this room.
"""

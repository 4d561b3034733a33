"""A seeded simulation: the real gateway on a fake clock, an in-memory disk and store, with
clients, faults and crashes.  One seed is one exact history.

``python -m tests.sim --seed N`` runs one and tells its story; ``--seeds FROM TO`` runs many.
Seeds that once found a fault are kept in ``regressions.txt``.
"""

"""Watches what is on record: alerts, objectives, custom metrics.

Refuses to know rollouts: it says what it sees and never acts on it. Invariant: what it raises rests on a
measure that a person can read by the same name.
"""

"""Delivery: the ways a notice reaches people and programs, one file each, listed in one catalogue.

Refuses to know rules and measures. Invariant: no secret of a receiver is in a log, an error or a database.
"""

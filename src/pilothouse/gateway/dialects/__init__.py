"""Upstream protocols, one file each; none knows another.

Refuses to know routing and records. Invariant: a dialect is pure: bytes in, bytes out.
"""

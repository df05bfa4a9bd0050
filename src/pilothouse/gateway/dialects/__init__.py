"""Protocols of clients and of providers, each translated to and from OpenAI's chat; none knows another.

Refuses to know routing and records. Invariant: a dialect is pure: bytes in, bytes out.
"""

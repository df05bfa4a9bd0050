"""Engines we host: child processes made to match the snapshot.

Refuses to know requests: what is asked of an engine passes from the gateway to its socket, unseen here.
Invariant: no child outlives its parent, however the parent dies.
"""

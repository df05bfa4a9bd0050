"""The `up` process: holds the listening socket, parents everything, does nothing heavy.

Refuses to know requests, databases and models' answers. Invariant: when it ends, in whatever way, every
process it started ends too.
"""

"""The one way out: every connection Pilothouse opens to another process or machine starts here.

Two faces: `pool` (asynchronous, the gateway's hot path) and `sync` (small, blocking, for everything else).

Refuses to know who asks and why. Invariant: no connection without a deadline, no TLS without verification
unless the operator switched it off by name.
"""

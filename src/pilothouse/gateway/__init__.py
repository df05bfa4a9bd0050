"""The request path: accept, authenticate, limit, route, call, record.

Refuses to know any database and the control plane: what it must know comes in the signed snapshot, what it
has to say goes into the journal. Invariant: for each call taken from a socket exactly one
`RequestCompleted` is in the kernel's hands before the last byte of its answer leaves.
"""

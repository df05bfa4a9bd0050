"""What of answers is kept to answer again: digests, memory, meaning, replay, and embeddings put together.

Refuses to know calls, sockets and clocks: the steps beside this package (`cache.py`, `flight.py`,
`gather.py`) use it. Invariant: nothing here is written to a file, or leaves the scope that a policy gives.
"""

"""The words all packages share: events, the snapshot, status, errors, and nothing that acts.

Refuses to know input and output: no file, socket, clock or framework is touched here.
Invariant: what crosses a package or a process border is a type of this package.
"""

"""Decides, signs and publishes what serves: configuration and keys become one signed snapshot.

Refuses to know how anything is measured or served. Invariant: nothing changes what serves but a snapshot
published here, and each publication has a revision one higher than the last.
"""

"""Limits of keys, teams and models: counted in one file for a host, and through Redis for several.

A call over a limit is refused before it goes on; what it used in the end is put right when it ends. Refuses
to know HTTP and where a limit was written. Invariant: in no window of 60 s more is let in than the limit.
"""

"""Admission: who goes on and who waits, when more calls come than can be worked on at once.

Refuses to know what a call asks. Invariant: a call that waits is let in, shed, or gone; never forgotten.
"""

"""Alembic's migrations of the database of state, packaged in the wheel.

Refuses to know the running system. Invariant: migrations only go forward; a backup is made first.
"""

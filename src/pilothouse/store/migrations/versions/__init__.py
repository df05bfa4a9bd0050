"""One file a migration, in order.

Refuses to know today's tables: each migration stands alone. Invariant: a released one is never edited.
"""

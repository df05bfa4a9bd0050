"""What differs between the databases that can hold the record: fragments of SQL, one file a dialect.

Refuses to know questions and connections. Invariant: a question written with these fragments has the same
answer on each of them.
"""

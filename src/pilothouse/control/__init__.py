"""The control process put together: the management API, the jobs and the publication of the snapshot.

Refuses to know any package's insides: it connects them. Invariant: the serving plane goes on without it.
"""

"""Runs migrations on the connection that `store/state.py` hands over; there is no other way to run them.

Refuses to know where the database is. Invariant: all migrations of one start are one transaction.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()

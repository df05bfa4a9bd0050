"""Databases, their schema, and the projector that folds the journal into rows.

Refuses to know HTTP, and what anybody asks of the data.
Invariant: the control process is the only owner of the files here.
"""

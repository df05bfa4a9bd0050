"""The filter language of calls and traces: text to a typed tree to SQL with parameters, and back.

Refuses to know who asks. Invariant: any text is either a tree or an error that points at its place.
"""

"""What happened: the journal of events, its sealing, its reading, and how processes tell of themselves.

Refuses to know what an event means: folding is the store's, questions are the analytics'.
Invariant: content is sealed under its data subject's key before it reaches any file.
"""

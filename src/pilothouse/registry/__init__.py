"""Models by name and version: where they come from, and that they are what they claim to be.

Refuses to know how a score was made and what serves. Invariant: a model's file is used only after its digest
was checked.
"""

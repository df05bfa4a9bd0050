"""The ways to get models, one file each; none knows another.

Refuses to know what is done with a model. Invariant: a source checks the digest of what it brings.
"""

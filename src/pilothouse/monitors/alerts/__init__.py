"""Alerts: rules on measures, what they found, and who was told.

Refuses to know how a message reaches anybody. Invariant: at most one alert of a rule and its labels is open.
"""

"""Service-level objectives: what was promised, how much of the error budget is left, how fast it goes.

Refuses to know how an alert is told, and who serves. Invariant: a call counts for an objective as it counts
for the measure of the same name.
"""

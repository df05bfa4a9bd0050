"""Calls sent on to others as OpenTelemetry, made from the journal and never on the request path.

Refuses to know databases and the request path. Invariant: nothing leaves unless the configuration names
where to, and no content unless it says so too.
"""

"""OpenTelemetry's names for generative AI, and OpenInference's: the one package that spells them.

Refuses to know the wire, files and databases. Invariant: what comes in under any of the conventions becomes
`contracts/spans.py`, and what goes out is named by `outgoing.py`; nobody else knows a name.
"""

from pilothouse.telemetry.semconv.outgoing import (
    AttributeValue,
    Conventions,
    attributes,
    content_attributes,
    metric_names,
    span_name,
)

__all__ = [
    "AttributeValue",
    "Conventions",
    "attributes",
    "content_attributes",
    "metric_names",
    "span_name",
]

"""OpenTelemetry's protocol over HTTP (OTLP): requests checked and decoded, answers encoded.

Refuses to know sockets and what attributes mean. Invariant: both encodings, protobuf and JSON, give the same
values.
"""

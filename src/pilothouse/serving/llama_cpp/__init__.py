"""The llama.cpp engine: its server from the `xllamacpp` wheel in one process, completed to OpenAI's API.

llama.cpp itself listens on an inner socket with a key of its own; our front listens on the engine's socket,
passes plain calls through byte for byte, and adds what llama.cpp lacks: tools, echo, the legacy shape of
log-probabilities, usage over several choices, errors in OpenAI's shape.

Refuses to know who calls and what is recorded. Invariant: nothing but the engine's socket leads in.
"""

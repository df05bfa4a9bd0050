"""Puts the heads of requests to one deployment, once, when a snapshot is taken.

Refuses to know which headers carry a key. Invariant: a head ends where the length's figures begin.
"""

from collections.abc import Iterable, Mapping

from pilothouse.contracts.snapshot import Provider


def heads_of(
    provider: Provider,
    authority: str,
    base_path: str,
    upstream_model: str,
    *,
    paths: Mapping[str, str],
    lines: Iterable[str],
) -> dict[str, bytes]:
    """Returns, for each operation, a request's head up to the value of `content-length`.

    Args:
        provider: Whose paths and query they are.
        authority: What the `host` header says.
        base_path: The path of the base URL.
        upstream_model: Put where an override of a path says `{model}`.
        paths: The dialect's usual path for each operation.
        lines: Further header lines, without their ends.
    """
    tail = [
        f"host: {authority}",
        *lines,
        "content-type: application/json",
        "accept-encoding: identity",
        "content-length: ",
    ]
    query = f"?{provider.query}" if provider.query else ""
    heads: dict[str, bytes] = {}
    for operation, usual in paths.items():
        path = provider.paths.get(usual, usual).replace("{model}", upstream_model)
        heads[operation] = "\r\n".join([f"POST {base_path}{path}{query} HTTP/1.1", *tail]).encode("latin-1")
    return heads

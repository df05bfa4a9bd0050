"""The status classes that a caller may ask for, in the words of `store/call_classes.py`.

Refuses to know the questions. Invariant: each call is in exactly one status class.
"""

from typing import Literal

from pilothouse.store.call_classes import (
    CLIENT_ERROR,
    MEASURED,
    OK,
    SERVED,
    SERVER_ERROR,
    UNPRICED,
    UPSTREAM,
)

__all__ = [
    "CLIENT_ERROR",
    "MEASURED",
    "OK",
    "SERVED",
    "SERVER_ERROR",
    "STATUS_CLASSES",
    "UNPRICED",
    "UPSTREAM",
    "StatusClass",
]

StatusClass = Literal["ok", "client_error", "server_error"]

STATUS_CLASSES: dict[StatusClass, str] = {
    "ok": OK,
    "client_error": CLIENT_ERROR,
    "server_error": SERVER_ERROR,
}

"""What is wrong with an expression, and where.

Refuses to know configuration files. Invariant: a position is that of a character, from 1.
"""

__all__ = ["ExpressionError", "NoValueError"]


class ExpressionError(Exception):
    """An expression cannot be read, or does not fit together."""

    def __init__(self, message: str, position: int, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.hint = hint


class NoValueError(Exception):
    """An expression has no value for one call, for a reason that is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

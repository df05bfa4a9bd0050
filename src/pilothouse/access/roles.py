"""The four roles, from least to most, and what each may do.

Refuses to know who has which. Invariant: a role may do all that a lesser one may, and may give no role
above itself.
"""

from pilothouse.contracts.errors import PermissionDeniedError
from pilothouse.contracts.snapshot import Role

ORDER: tuple[Role, ...] = ("viewer", "member", "admin", "root")
MEANING: dict[Role, str] = {
    "viewer": "reads what happened",
    "member": "reads, and calls models",
    "admin": "manages keys and sign-in links too",
    "root": "may do everything",
}


def covers(role: Role, needed: Role) -> bool:
    """Says whether `role` may do what needs `needed`."""
    return ORDER.index(role) >= ORDER.index(needed)


def lesser(first: Role, second: Role) -> Role:
    """Returns the role of the two that may do less."""
    return min(first, second, key=ORDER.index)


def require(role: Role, needed: Role) -> None:
    """Refuses a caller whose role may not do this.

    Raises:
        PermissionDeniedError: `role` is below `needed`.
    """
    if not covers(role, needed):
        raise PermissionDeniedError(
            f"This needs the role {needed!r} or above; yours is {role!r}.",
            hint=f"Ask an admin for a key with the role {needed!r} ({MEANING[needed]}).",
        )

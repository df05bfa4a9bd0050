"""A greater role may do what a lesser one may, and no role may give more than it has."""

import itertools

import pytest

from pilothouse.access.roles import MEANING, ORDER, covers, lesser, require
from pilothouse.contracts.errors import PermissionDeniedError
from pilothouse.contracts.snapshot import Role


@pytest.mark.parametrize(("role", "needed"), list(itertools.product(ORDER, ORDER)))
def test_the_order_of_roles_decides(role: Role, needed: Role) -> None:
    is_enough = ORDER.index(role) >= ORDER.index(needed)
    assert covers(role, needed) is is_enough
    if is_enough:
        require(role, needed)
    else:
        with pytest.raises(PermissionDeniedError, match=needed):
            require(role, needed)


def test_the_lesser_of_two_roles() -> None:
    assert lesser("root", "viewer") == "viewer"
    assert lesser("member", "admin") == "member"


def test_each_role_is_explained() -> None:
    assert set(MEANING) == set(ORDER)

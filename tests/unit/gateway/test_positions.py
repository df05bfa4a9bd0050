"""Events that are made by position name each field in its place."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pilothouse.contracts.events import Parameters, RequestCompleted, RequestStarted
from pilothouse.gateway import read, record


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (record._completed, RequestCompleted),
        (record.started, RequestStarted),
        (read.parameters_of, Parameters),
    ],
)
def test_every_argument_stands_where_its_field_does(
    function: Callable[..., Any], kind: type[msgspec.Struct]
) -> None:
    source = inspect.getsource(function)
    made = source[source.index(f"{kind.__name__}(\n") :].splitlines()[1:]
    fields = kind.__struct_fields__
    for field, line in zip(fields, made, strict=False):
        said = re.search(r"# (\w+)$", line) or re.search(r"(\w+)(?: or \"\")?,$", line)
        assert said is not None, line
        assert said[1] == field
    assert made[len(fields)].strip() == ")"

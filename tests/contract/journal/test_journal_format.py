"""The journal's format, version 1: what was written by an older Pilothouse can always be read.

Each event type joins the first test by being in `Event`. The golden segment is never made anew: when it
cannot be read any more, the format has changed, and needs a new magic number and a reader for the old one.
"""

from base64 import b64decode
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.contracts.events import (
    Attempt,
    Content,
    Event,
    Parameters,
    RequestCompleted,
    RequestStarted,
)
from pilothouse.telemetry.frames import Frame
from pilothouse.telemetry.sealing import unseal
from pilothouse.telemetry.segments import decode_frame, first_offset, read_chunk

GOLDEN = (
    "UEhKUk5MMQpdAAAAGlMMDYandmVyc2lvbgGjcnVuuTE3OTAwMDAwMDAwMDAtZ2F0ZXdheS0wLTembnVtYmVyAaZ3cml0ZXKp"
    "Z2F0ZXdheS0wo3BpZAetY3JlYXRlZF9hdF9tc88AAAGgxFBsAM0AAABxw+Mmk4ekdHlwZbJyZXF1ZXN0X3N0YXJ0ZWQudjGn"
    "Y2FsbF9pZNkgMDFhMGM0ZjliODAwNzAwMDgwMDAwMDAwMDAwMDAwMDGqcmVxdWVzdF9pZKJyMaVhdF9uc88Y11uEI/MAAalv"
    "cGVyYXRpb26kY2hhdKVtb2RlbKFtp3N1YmplY3SjYW5uo2FubsRDAQH6rdwapsP2AAECAwQFBgcICQoLDA0ODwAAAAAAAAAB"
    "o1pIZvrD03qPgZ6wuaQJ6tGN2r1JS+CXP19B/nbVjJv+oKoBAABLxibqk94AEKR0eXBltHJlcXVlc3RfY29tcGxldGVkLnYx"
    "p2NhbGxfaWTZIDAxYTBjNGY5YjgwMDcwMDA4MDAwMDAwMDAwMDAwMDAxqnJlcXVlc3RfaWSicjGlYXRfbnPPGNdbhCPzAAGp"
    "b3BlcmF0aW9upGNoYXSmc3RhdHVzzMinb3V0Y29tZaljb21wbGV0ZWSlbW9kZWyhbadzdWJqZWN0o2Fubqlpc19zdHJlYW3D"
    "rmZpbmlzaF9yZWFzb25zkaRzdG9wq2R1cmF0aW9uX21zy0ApAAAAAAAArGlucHV0X3Rva2VucwOtb3V0cHV0X3Rva2VucwGq"
    "cGFyYW1ldGVyc94AAat0ZW1wZXJhdHVyZcs/4AAAAAAAAKhhdHRlbXB0c5GEqmRlcGxveW1lbnSlbS9wLTCocHJvdmlkZXKh"
    "cKZzdGF0dXPMyKtkdXJhdGlvbl9tc8tAKAAAAAAAAKNhbm7ERwEB+q3cGqbD9gABAgMEBQYHCAkKCwwNDg8AAAAAAAAAArOj"
    "Dq04JYIEHIn9HHc0fmSYE/N2ZwA5hJTlz+i+3oZYj/Z8vRvZ"
)
CALL_ID = "01a0c4f9b80070008000000000000001"


@pytest.mark.parametrize("kind", get_args(Event))
@settings(deadline=None, max_examples=50)
@given(st.data())
def test_an_event_comes_back_as_it_was(kind: type[Event], data: st.DataObject) -> None:
    event = data.draw(st.from_type(kind).filter(_is_storable))
    frame = Frame(event, "ann", data.draw(st.none() | st.binary()))
    assert decode_frame(msgspec.msgpack.encode(frame)) == frame


def _is_storable(value: object) -> bool:
    """Says whether msgpack can hold it: integers of 64 bits, numbers that equal themselves, real text."""
    if isinstance(value, msgspec.Struct):
        return _is_storable(msgspec.structs.astuple(value))
    if isinstance(value, tuple):
        return all(_is_storable(item) for item in value)
    if isinstance(value, int):
        return abs(value) < 2**63
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return value == value  # noqa: PLR0124 - not a number is not itself


def test_the_golden_segment_of_version_1_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "1790000000000-gateway-0-7-000001.segment"
    path.write_bytes(b64decode(GOLDEN))
    started, completed = (
        decode_frame(raw.payload) for raw in read_chunk(str(path), first_offset(str(path))).frames
    )
    assert started.event == RequestStarted(
        call_id=CALL_ID,
        request_id="r1",
        at_ns=1_790_000_000_000_000_001,
        operation="chat",
        model="m",
        subject="ann",
    )
    assert completed.event == RequestCompleted(
        call_id=CALL_ID,
        request_id="r1",
        at_ns=1_790_000_000_000_000_001,
        operation="chat",
        status=200,
        outcome="completed",
        model="m",
        subject="ann",
        is_stream=True,
        finish_reasons=("stop",),
        duration_ms=12.5,
        input_tokens=3,
        output_tokens=1,
        parameters=Parameters(temperature=0.5),
        attempts=(Attempt(deployment="m/p-0", provider="p", status=200, duration_ms=12.0),),
    )
    assert (started.subject, completed.subject) == ("ann", "ann")
    assert started.sealed is not None
    assert completed.sealed is not None
    assert unseal(b"k" * 32, CALL_ID, started.sealed) == Content(request=b'"asked"')
    assert unseal(b"k" * 32, CALL_ID, completed.sealed) == Content(response=b'"answered"')


def test_an_event_of_a_later_version_is_refused_alone() -> None:
    later = msgspec.msgpack.encode([{"type": "request_completed.v9", "call_id": "x"}, "ann", None])
    with pytest.raises(msgspec.ValidationError):
        decode_frame(later)

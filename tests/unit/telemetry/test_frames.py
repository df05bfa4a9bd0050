"""Frames are found again, whatever was torn or changed between them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.telemetry.frames import Damage, Raw, frame_bytes, run_of, scan, started_ms_of, wanted_bytes

payloads = st.lists(st.binary(min_size=0, max_size=60).map(lambda tail: b"\x93" + tail), max_size=6)


def _good(data: bytes, *, is_last: bool = False) -> list[bytes]:
    return [found.payload for found in scan(data, is_last=is_last) if isinstance(found, Raw)]


@settings(deadline=None)
@given(payloads, st.integers(0, 40))
def test_frames_are_read_back_in_order_before_a_tail_of_zeros(kept: list[bytes], zeros: int) -> None:
    data = b"".join(map(frame_bytes, kept)) + bytes(zeros)
    assert _good(data) == kept
    assert _good(data, is_last=True) == kept


@settings(deadline=None)
@given(payloads, st.binary(max_size=60), st.data())
def test_a_torn_last_frame_is_dropped_and_no_other(
    kept: list[bytes], last: bytes, data: st.DataObject
) -> None:
    torn = frame_bytes(b"\x93" + last)
    cut = data.draw(st.integers(0, len(torn) - 1))
    whole = b"".join(map(frame_bytes, kept))
    for is_last in (False, True):
        found = list(scan(whole + torn[:cut] + bytes(20), is_last=is_last))
        assert [item.payload for item in found if isinstance(item, Raw)] == kept
        assert not [item for item in found if isinstance(item, Damage)]


@settings(deadline=None)
@given(st.data())
def test_a_changed_byte_costs_one_frame(data: st.DataObject) -> None:
    kept = [b"\x93" + bytes([number]) * 30 for number in range(1, 5)]
    frames = [frame_bytes(payload) for payload in kept]
    victim = data.draw(st.integers(0, 2))
    place = data.draw(st.integers(0, len(frames[0]) - 1))
    changed = bytearray(frames[victim])
    changed[place] ^= data.draw(st.integers(1, 255))
    frames[victim] = bytes(changed)
    found = list(scan(b"".join(frames), 100, is_last=True))
    assert [item.payload for item in found if isinstance(item, Raw)] == kept[:victim] + kept[victim + 1 :]
    start = 100 + victim * len(frames[0])
    assert [item for item in found if isinstance(item, Damage)] == [
        Damage(start, start + len(frames[0]), "CRC mismatch")
    ]


def test_a_frame_still_on_its_way_is_not_damage() -> None:
    data = frame_bytes(b"\x93one") + frame_bytes(b"\x93two")[:-1] + b"\0" + bytes(50)
    assert [type(item) for item in scan(data)] == [Raw]


def test_offsets_lead_from_frame_to_frame() -> None:
    data = frame_bytes(b"\x93a") + frame_bytes(b"\x93bb")
    first, second = (item for item in scan(data, 1000) if isinstance(item, Raw))
    assert (first.offset, first.end, second.offset, second.end) == (1000, 1010, 1010, 1000 + len(data))


def test_wanted_bytes_tells_a_frames_length_from_its_head() -> None:
    frame = frame_bytes(b"x" * 500)
    assert wanted_bytes(frame[:8]) == len(frame)
    assert wanted_bytes(bytes(8)) == 0
    assert wanted_bytes(b"\x01") == 0


def test_names() -> None:
    name = "1795370514723-gateway-0-12622-000002.segment"
    assert run_of(name) == "1795370514723-gateway-0-12622"
    assert started_ms_of(name) == 1_795_370_514_723
    assert run_of("1795370514723-gateway-0-12622.spare") is None
    assert started_ms_of("notes.txt") == 0

"""What is sealed comes back under its own key and call only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.contracts.errors import JournalError
from pilothouse.contracts.events import Content
from pilothouse.telemetry.sealing import Sealer, is_authentic, is_under, unseal


class Keys:
    """Keys in memory."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def key(self, subject: str) -> bytes:
        self.asked.append(subject)
        return subject.encode().ljust(32, b".")


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300), st.text(max_size=20))
def test_content_comes_back(request: bytes, response: bytes, call_id: str) -> None:
    keys = Keys()
    content = Content(request=request, response=response, request_truncated_from=9)
    sealed = Sealer(keys).seal(content, subject="ann", call_id=call_id)
    assert unseal(keys.key("ann"), call_id, sealed) == content


@settings(deadline=None)
@given(st.data())
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    keys = Keys()
    sealed = bytearray(Sealer(keys).seal(Content(request=b"hello"), subject="ann", call_id="1"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not is_authentic(keys.key("ann"), "1", bytes(sealed))
    with pytest.raises(JournalError):
        unseal(keys.key("ann"), "1", bytes(sealed))


def test_another_call_or_key_does_not_open_it() -> None:
    keys = Keys()
    sealed = Sealer(keys).seal(Content(request=b"hello"), subject="ann", call_id="1")
    assert not is_authentic(keys.key("ann"), "2", sealed)
    assert not is_authentic(keys.key("bob"), "1", sealed)
    assert not is_authentic(keys.key("ann"), "1", sealed[:20])


def test_no_nonce_comes_twice_and_keys_are_asked_once() -> None:
    keys = Keys()
    sealer = Sealer(keys)
    content = Content(request=b"the same")
    blobs = [sealer.seal(content, subject="ann", call_id="1") for _ in range(50)]
    assert len({blob[:33] for blob in blobs}) == 50
    assert len({blob[33:] for blob in blobs}) == 50
    assert keys.asked == ["ann"]
    assert Sealer(keys).seal(content, subject="ann", call_id="1")[:25] != blobs[0][:25]


def test_which_key_it_was_can_be_told() -> None:
    sealed = Sealer(Keys()).seal(Content(), subject="ann", call_id="1")
    assert is_under(Keys().key("ann"), sealed)
    assert not is_under(Keys().key("bob"), sealed)


def test_forgetting_asks_for_the_key_again() -> None:
    keys = Keys()
    sealer = Sealer(keys)
    sealer.seal(Content(), subject="ann", call_id="1")
    sealer.forget()
    sealer.seal(Content(), subject="ann", call_id="2")
    assert keys.asked == ["ann", "ann"]

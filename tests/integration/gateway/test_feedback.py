"""`POST /v1/feedback`: on record before it is answered, its words sealed; what is wrong is refused whole."""

from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.contracts.events import FeedbackGiven
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import unseal
from pilothouse.telemetry.segments import decode_frame, first_offset, list_segments, read_chunk

if TYPE_CHECKING:
    from tests.integration.gateway.conftest import Rig


def told(rig: "Rig") -> list[tuple[FeedbackGiven, Any]]:
    """Returns all feedback in the journal, with its words."""
    keyring = Keyring(rig.home.keyring, rig.home.master_key)
    found = []
    for name in list_segments(rig.home.journal):
        path = f"{rig.home.journal}/{name}"
        for raw in read_chunk(path, first_offset(path), most_bytes=64 << 20).frames:
            frame = decode_frame(raw.payload)
            if isinstance(frame.event, FeedbackGiven):
                words = None
                if frame.sealed is not None:
                    key = keyring.find(frame.subject)
                    assert key is not None
                    words = unseal(key, frame.event.feedback_id, frame.sealed)
                found.append((frame.event, words))
    return found


def test_feedback_is_on_record_with_its_words_sealed(rig: "Rig") -> None:
    call = rig.chat(user="ann")
    subject = rig.recorded(call).end.subject
    reply = rig.post(
        "/v1/feedback",
        {
            "request_id": call.headers["x-request-id"],
            "thumbs": "down",
            "text": "It was rude.",
            "correction": "Good day.",
            "measures": {"resolved": 0, "seconds": 12.5},
            "user": "ann",
        },
    )
    assert reply.status == 200
    assert [(item["kind"], item["name"]) for item in reply.json["data"]] == [
        ("thumbs", "feedback"),
        ("measure", "resolved"),
        ("measure", "seconds"),
    ]
    events = told(rig)[-3:]
    assert [event.feedback_id for event, _ in events] == [item["id"] for item in reply.json["data"]]
    assert [event.value for event, _ in events] == [0.0, 0.0, 12.5]
    event, words = events[0]
    assert (event.request_id, event.key_id, event.team) == (call.headers["x-request-id"], "key_test", "red")
    assert (words.request, words.response) == (b"It was rude.", b"Good day.")
    assert event.subject == subject, "it is erased with the person's calls"


def test_several_items_are_taken_at_once_for_calls_of_any_dialect(rig: "Rig") -> None:
    asked = {"model": "quiet", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi."}]}
    message = rig.post("/v1/messages", asked)
    response = rig.post("/v1/responses", {"model": "quiet", "input": "Hi."})
    reply = rig.post(
        "/v1/feedback",
        [
            {"request_id": message.headers["request-id"], "stars": 4},
            {"request_id": response.json["id"], "score": -0.5, "name": "tone"},
            {"request_id": "not known here", "text": "Thanks."},
        ],
    )
    assert reply.status == 200
    assert [(event.kind, event.name, event.value) for event, _ in told(rig)[-3:]] == [
        ("stars", "feedback", 4.0),
        ("score", "tone", -0.5),
        ("text", "feedback", None),
    ]


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"thumbs": "up"}, None),
        ({"request_id": "", "thumbs": "up"}, "request_id"),
        ({"request_id": "r", "thumbs": "sideways"}, "thumbs"),
        ({"request_id": "r", "stars": 6}, "stars"),
        ({"request_id": "r", "stars": "five"}, "stars"),
        ({"request_id": "r", "stars": 5, "score": 1}, "score"),
        ({"request_id": "r"}, "thumbs"),
        ({"request_id": "r", "text": "x" * 70_000}, "text"),
        ({"request_id": "r", "measures": {"": 1}}, "measures"),
        ({"request_id": "r", "measures": {"n": "1"}}, None),
        ({"request_id": "r", "thumb": "up"}, None),
        ([{"request_id": "r", "thumbs": "up"}, {"request_id": "r", "stars": 0}], "[1].stars"),
        ([], None),
        (b'{"request_id": "r", "score": 1e999}', None),
        (b"{", None),
        (b"[[[[", None),
    ],
)
def test_wrong_feedback_is_refused_and_nothing_of_it_is_kept(
    rig: "Rig", document: Any, param: str | None
) -> None:
    before = len(told(rig))
    reply = rig.post("/v1/feedback", document)
    assert reply.status == 400, reply.body
    assert reply.error["type"] == "invalid_request_error"
    if param is not None:
        assert reply.error["param"] == param
    assert len(told(rig)) == before


def test_feedback_needs_a_key_that_may_call_and_a_post(rig: "Rig") -> None:
    item = {"request_id": "r", "thumbs": "up"}
    assert rig.post("/v1/feedback", item, key=None).error["code"] == "missing_api_key"
    assert rig.post("/v1/feedback", item, key="ph_viewer").status == 403
    assert rig.ask("GET", "/v1/feedback").status == 405

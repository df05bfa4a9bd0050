"""What is kept of bodies is capped, and media are kept as digest and size."""

import json
from hashlib import sha256

from pilothouse.gateway.content import content_of, embedding_summary, without_media
from pilothouse.gateway.wire import decode_embedding_answer


def test_short_bodies_are_kept_whole() -> None:
    content = content_of(b"abc", b"de", max_bytes=3)
    assert (content.request, content.response) == (b"abc", b"de")
    assert content.request_truncated_from is None


def test_of_a_long_body_the_head_the_size_and_the_digest_are_kept() -> None:
    content = content_of(b"abcdef", b"xy", max_bytes=3)
    assert (content.request, content.response) == (b"abc", b"xy")
    assert content.request_truncated_from == 6
    assert content.request_sha256 == sha256(b"abcdef").digest()
    assert content.response_sha256 is None


def test_images_and_audio_are_kept_as_digest_and_size() -> None:
    image, audio = "data:image/png;base64," + "A" * 500, "B" * 500
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "plain"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": image}},
                    {"type": "input_audio", "input_audio": {"data": audio, "format": "wav"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}},
                ],
            },
        ],
    }
    kept = without_media(json.dumps(body).encode())
    assert b"AAAA" not in kept
    assert b"BBBB" not in kept
    parts = json.loads(kept)["messages"][1]["content"]
    assert parts[1]["image_url"]["url"] == f"sha256:{sha256(image.encode()).hexdigest()};bytes={len(image)}"
    assert parts[3]["image_url"]["url"] == "https://example.com/x.png"
    assert content_of(json.dumps(body).encode(), None, max_bytes=100_000).request == kept


def test_bodies_of_other_shapes_are_kept_as_they_are() -> None:
    for body in (b"not json", b'{"messages":7}', b'{"messages":[7,{"content":[8]}]}'):
        assert json.loads(without_media(body) if body != b"not json" else b"0") is not None


def test_vectors_leave_count_dimensions_and_digest() -> None:
    for vector in ("[1.0,2.0,3.0]", '"AACAPwAAAEAAAEBA"'):
        answer = decode_embedding_answer(f'{{"data":[{{"embedding":{vector}}}],"model":"m"}}'.encode())
        summary = json.loads(embedding_summary(answer))
        assert (summary["count"], summary["dimensions"], summary["model"]) == (1, 3, "m")
        assert len(summary["sha256"]) == 64
    assert json.loads(embedding_summary(decode_embedding_answer(b'{"data":[]}')))["dimensions"] == 0

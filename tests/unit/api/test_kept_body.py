"""A body that many ask for is made once for all of them, and anew when it is old."""

import gzip
from threading import Barrier, Thread

from pilothouse.api.kept_body import KeptBodies


def test_twenty_who_ask_at_once_share_one_body() -> None:
    bodies, made, got = KeptBodies(good_for_ms=1000), [], []
    together = Barrier(20)

    def make() -> bytes:
        made.append(1)
        return b'{"n":%d}' % len(made)

    def ask() -> None:
        together.wait()
        got.append(bodies.get(900, make, now_ms=5000))

    threads = [Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert {body.content for body in got} == {b'{"n":1}'}
    assert len({id(body) for body in got}) == 1


def test_an_old_body_is_made_anew_and_another_question_has_its_own() -> None:
    bodies, texts = KeptBodies(good_for_ms=1000), iter([b"one", b"two", b"three", b"four"])

    def at(now_ms: int, question: int = 900) -> bytes:
        return bodies.get(question, lambda: next(texts), now_ms=now_ms).content

    assert at(5000) == b"one"
    assert at(5999) == b"one"
    assert at(6000) == b"two"
    assert at(6000, 300) == b"three"
    assert at(100) == b"four", "a clock that was set back keeps no body alive"


def test_the_tag_is_the_contents_and_gzip_is_the_same_content() -> None:
    bodies = KeptBodies(good_for_ms=0)
    first, second, other = (
        bodies.get(1, lambda content=content: content, now_ms=1)  # type: ignore[misc]  # a default binds it
        for content in (b"same" * 100, b"same" * 100, b"other")
    )
    assert first.etag == second.etag != other.etag
    assert gzip.decompress(first.compressed) == first.content

"""Measures what a semantic cache would answer rightly and wrongly, with the bundled embedding model.

    .venv/bin/python scripts/semantic_cache_precision.py [--clinc /path/to/clinc_oos/data_full.json]

Prints a table over thresholds: of the hand-written pairs (`semantic_pairs.py`) how many of each half are
joined, by the cosine alone and with the words that must agree besides (`caching/words.py`).
With `--clinc`: of the questions of that corpus, how many have one of another intent over the threshold.
"""

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from semantic_pairs import OTHER, SAME, UNSEEN_OTHER, UNSEEN_SAME

from pilothouse.contracts.snapshot import EngineSpec
from pilothouse.gateway.caching.digest import meaning_of
from pilothouse.gateway.caching.words import is_reworded
from pilothouse.network.sync import request
from pilothouse.registry.catalogue import BUNDLE
from pilothouse.registry.pull import pull
from pilothouse.serving.engines import ENGINES
from pilothouse.serving.settings import EngineSettings
from pilothouse.store.artefacts import ArtefactStore

MODEL = "all-minilm-l6-v2"
THRESHOLDS = (0.80, 0.85, 0.88, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
SHOWN = 0.90
"""The threshold from which wrong answers of the corpus are listed."""
BATCH = 32
Pairs = tuple[tuple[str, str], ...]


@contextmanager
def engine() -> Iterator[str]:
    """Runs the bundled embedding model. Gives its address."""
    cache = os.environ.get("PILOTHOUSE_TEST_CACHE") or "~/.cache/pilothouse-tests"
    stored = pull(
        BUNDLE[MODEL].source, BUNDLE[MODEL].digest, ArtefactStore(f"{Path(cache).expanduser()}/artefacts")
    )
    with tempfile.TemporaryDirectory() as folder:
        spec = EngineSpec(
            engine="llama_cpp",
            kind="embedding",
            artefact=stored.path,
            digest=stored.digest,
            socket=f"{folder}/engine.sock",
            alias=MODEL,
            context_tokens=512,
        )
        command, settings = ENGINES["llama_cpp"].command(spec, EngineSettings())
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert process.stdin is not None
        process.stdin.write(settings)
        process.stdin.close()
        try:
            asyncio.run(_until_ready(spec, process))
            yield f"unix:{spec.socket}:/v1/embeddings"
        finally:
            process.terminate()
            process.wait(20)


async def _until_ready(spec: EngineSpec, process: "subprocess.Popen[bytes]") -> None:
    async with asyncio.timeout(60):
        while not await ENGINES["llama_cpp"].is_ready(spec):
            assert process.poll() is None, "the engine ended"
            await asyncio.sleep(0.05)


def embed(url: str, texts: list[str]) -> dict[str, Any]:
    """Returns each text's vector, of length one."""
    vectors: dict[str, Any] = {}
    for start in range(0, len(texts), BATCH):
        part = texts[start : start + BATCH]
        answer = request(
            "POST", url, body=json.dumps({"model": MODEL, "input": part}).encode(), timeout_s=120
        )
        assert answer.status == 200, answer.body  # noqa: PLR2004 - OK
        for text, item in zip(part, json.loads(answer.body)["data"], strict=True):
            vector = np.asarray(item["embedding"], dtype=np.float32)
            vectors[text] = vector / np.linalg.norm(vector)
    return vectors


def bucket(text: str) -> bytes | None:
    """Returns what must be equal besides the cosine."""
    meaning = meaning_of(b"", {"messages": [{"role": "user", "content": text}]})
    return None if meaning is None else meaning.bucket


def is_kept_apart(one: str, other: str) -> bool:
    """Says whether the words keep two texts apart, whatever their cosine."""
    return bucket(one) != bucket(other) or not is_reworded(one, other)


def scores(pairs: Pairs, vectors: dict[str, Any], *, has_words: bool) -> list[float]:
    """Returns the cosine of each pair; -1 for those that the words keep apart."""
    return [
        -1.0 if has_words and is_kept_apart(one, other) else float(vectors[one] @ vectors[other])
        for one, other in pairs
    ]


def table(alike: Pairs, unlike: Pairs, vectors: dict[str, Any]) -> Iterator[str]:
    """Yields the lines of the table over hand-written pairs."""
    yield "| threshold | same, joined | other, joined | precision | with words: same | other | precision |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    halves = [
        (scores(alike, vectors, has_words=m), scores(unlike, vectors, has_words=m)) for m in (False, True)
    ]
    for threshold in THRESHOLDS:
        cells = [f"{threshold:.2f}"]
        for same, other in halves:
            right, wrong = (sum(score >= threshold for score in half) for half in (same, other))
            precision = f"{right / (right + wrong):.0%}" if right + wrong else "-"
            cells += [f"{right} of {len(same)}", f"{wrong} of {len(other)}", precision]
        yield f"| {' | '.join(cells)} |"


def wrong_pairs(unlike: Pairs, vectors: dict[str, Any], least: float) -> Iterator[str]:
    """Yields the pairs that would be joined wrongly, the nearest first."""
    found = zip(scores(unlike, vectors, has_words=True), unlike, strict=True)
    for score, (one, other) in sorted(found, reverse=True):
        if score >= least:
            yield f"{score:.3f}  {one}  |  {other}"


def corpus_table(url: str, path: Path) -> Iterator[str]:
    """Yields, by threshold, the questions with a neighbour of their own intent, and of another."""
    rows = json.loads(path.read_text())["test"]
    texts = sorted({text for text, _ in rows})
    intents = dict(rows)
    vectors = embed(url, texts)
    matrix = np.stack([vectors[text] for text in texts])
    cosines = matrix @ matrix.T
    np.fill_diagonal(cosines, -1.0)
    for row, column in np.argwhere(np.triu(cosines) >= THRESHOLDS[0]):
        if is_kept_apart(texts[row], texts[column]):
            cosines[row, column] = cosines[column, row] = -1.0
    names = np.array([intents[text] for text in texts])
    nearest = cosines.argmax(axis=1)
    best = cosines.max(axis=1)
    is_own = names == names[nearest]
    yield f"{len(texts)} questions of {len(set(names))} intents"
    yield "| threshold | answered | of these with another intent's answer |"
    yield "| ---: | ---: | ---: |"
    for threshold in THRESHOLDS:
        hit = best >= threshold
        wrong = int((hit & ~is_own).sum())
        yield f"| {threshold:.2f} | {int(hit.sum())} | {wrong} |"
    yield ""
    for row in np.flatnonzero((best >= SHOWN) & ~is_own):
        yield f"{best[row]:.3f}  {texts[row]}  |  {texts[nearest[row]]}"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clinc", type=Path, help="the corpus CLINC150, data_full.json")
    chosen = parser.parse_args()
    with engine() as url:
        sets = {"seen": (SAME, OTHER), "unseen": (UNSEEN_SAME, UNSEEN_OTHER)}
        for name, (alike, unlike) in sets.items():
            vectors = embed(url, sorted({text for pair in alike + unlike for text in pair}))
            print(f"\nThe {name} pairs\n")
            print("\n".join(table(alike, unlike, vectors)))
            print("\nJoined wrongly, with words:")
            print("\n".join(wrong_pairs(unlike, vectors, THRESHOLDS[0])))
        if chosen.clinc is not None:
            print()
            print("\n".join(corpus_table(url, chosen.clinc)))


if __name__ == "__main__":
    main()

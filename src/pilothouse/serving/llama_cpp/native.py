"""Starts llama.cpp's server inside this process; the only module that knows the `xllamacpp` package.

Refuses to know HTTP. Invariant: the server listens on one Unix socket, wants a key, reads the weights only
after their digest was checked, and reaches nothing outside.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.contracts.errors import ArtefactError
from pilothouse.contracts.snapshot import EngineSpec
from pilothouse.serving.settings import EngineSettings

__all__ = ["Native", "check_weights", "default_threads", "inner_path", "start_native"]

BATCH_TOKENS = 256
"""A prompt is read in pieces of this size, and other calls get a token between two pieces."""

BERT_BATCH_TOKENS = 512
"""Attention costs the square of what is read at once, other texts included: 4096 took 8 times the memory."""
CACHE_TYPES = {"f32": 0, "f16": 1, "q8_0": 8}
"""Numbers of `ggml_type`."""


@dataclass(frozen=True, slots=True)
class Native:
    """A running server."""

    socket: str
    """Where it listens."""
    key: str
    """What it wants as a bearer token."""
    server: Any
    """Keeps the native object alive."""


def inner_path(socket: str) -> str:
    """Returns where llama.cpp itself listens, for an engine that listens on `socket`."""
    return socket.removesuffix(".sock") + "-inner.sock"


def default_threads(cores: int) -> int:
    """Returns how many threads compute: one core is left to the gateway and the rest of the machine.

    llama.cpp's threads wait for each other by spinning, many times a token, so one that has to share its core
    holds up all: on 2 cores with other work going on, 2 threads gave 6 tokens/s and 1 thread 33.
    """
    return max(1, cores - 1)


def check_weights(spec: EngineSpec) -> None:
    """Reads the weights once and compares their digest.

    Raises:
        ArtefactError: They are missing or have changed.
    """
    path = Path(spec.artefact)
    try:
        with path.open("rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as fault:
        raise ArtefactError(f"the weights {path} are missing", hint="Pull the model again.") from fault
    if digest != spec.digest:
        raise ArtefactError(f"the weights {path} have the digest {digest}, not {spec.digest}")


def start_native(spec: EngineSpec, settings: EngineSettings) -> Native:
    """Loads the model and starts the server; returns when it answers.

    Raises:
        ArtefactError: The weights are not what they should be, or cannot be loaded.
    """
    check_weights(spec)
    os.environ["GGML_NO_BACKTRACE"] = "1"  # an abort would run a debugger before the process ends
    import xllamacpp

    path = inner_path(spec.socket)
    Path(path).unlink(missing_ok=True)
    key = secrets.token_urlsafe(32)
    before = os.umask(0o177)
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, spec, settings, path, key))
    except RuntimeError as fault:
        raise ArtefactError(f"llama.cpp cannot load {spec.artefact}: {fault}") from fault
    finally:
        os.umask(before)
    return Native(path, key, server)


def _parameters(xllamacpp: Any, spec: EngineSpec, settings: EngineSettings, path: str, key: str) -> Any:
    made = xllamacpp.CommonParams()
    made.model.path = spec.artefact
    made.model_alias = [spec.alias]
    made.hostnames = [path]
    made.api_keys = [key]
    made.offline = True
    made.ui = False
    made.endpoint_metrics = True
    made.endpoint_slots = True
    made.verbosity = settings.log_level
    made.warmup = False
    made.fit_params = False
    made.n_parallel = spec.parallel
    made.cache_ram_mib = settings.prompt_cache_mib
    made.n_threads_http = spec.parallel + 4
    threads = spec.threads or default_threads(len(os.sched_getaffinity(0)))
    made.cpuparams.n_threads = threads
    made.cpuparams_batch.n_threads = threads
    if spec.kind == "embedding":
        _for_embeddings(xllamacpp, made, spec)
    else:
        _for_chat(made, spec)
    return made


def _for_chat(made: Any, spec: EngineSpec) -> None:
    # Each slot has its own share of the cache. One cache for all takes less memory, but when it is full
    # llama.cpp ends every call that is being answered, not just one (tried: 4 of 4 streams got an error).
    made.kv_unified = False
    made.n_ctx = spec.context_tokens * spec.parallel
    made.n_batch = made.n_ubatch = int(spec.options.get("batch_tokens", BATCH_TOKENS))
    made.use_jinja = True
    cache_type = CACHE_TYPES[spec.options.get("cache_type", "f16")]
    made.cache_type_k = made.cache_type_v = cache_type


def _for_embeddings(xllamacpp: Any, made: Any, spec: EngineSpec) -> None:
    made.embedding = True
    made.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    made.n_ctx = spec.context_tokens * spec.parallel
    # a multiple of the slots: llama.cpp plans its memory for batches that they share evenly, or it aborts
    shares = -(-max(BERT_BATCH_TOKENS, spec.context_tokens) // spec.parallel)
    made.n_batch = made.n_ubatch = shares * spec.parallel

"""The catalogue of what is measured, in the order of the table."""

from bench.peer import Peer
from bench.peers.direct import Direct
from bench.peers.litellm import LiteLLM
from bench.peers.nginx import Nginx
from bench.peers.pilothouse import (
    Pilothouse,
    PilothouseGateway,
    PilothouseWithAll,
    PilothouseWithControl,
)
from bench.peers.portkey import Portkey
from bench.peers.tensorzero import TensorZero
from bench.peers.vllm_router import VllmRouter

CATALOGUE: tuple[Peer, ...] = (
    Direct(),
    Nginx(),
    Pilothouse(),
    PilothouseWithAll(),
    PilothouseWithControl(),
    VllmRouter(),
    TensorZero(),
    Portkey(),
    LiteLLM(),
)
"""`direct` comes first: the others' added time is counted from it."""
ON_REQUEST: tuple[Peer, ...] = (PilothouseGateway(),)
"""Measured only when named."""

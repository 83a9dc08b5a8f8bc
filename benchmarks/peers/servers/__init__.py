"""The peers, one module each: `PEERS` is what it adds to the tables."""

from benchmarks.peers.peer import Peer
from benchmarks.peers.servers import (
    chalice,
    cognito_local,
    localstack,
    ministack,
    moto,
    serverless_offline,
    velvetrope,
)

__all__ = ["PEERS"]

PEERS: tuple[Peer, ...] = (
    *velvetrope.PEERS,
    *ministack.PEERS,
    *moto.PEERS,
    *localstack.PEERS,
    *cognito_local.PEERS,
    *serverless_offline.PEERS,
    *chalice.PEERS,
)

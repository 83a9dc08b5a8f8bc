"""All doors, by the service that they belong to."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.peers.doors import gateway, identity_pools, principals, user_pools
from benchmarks.peers.doors.door import Door, Finding, Outcome
from benchmarks.peers.doors.house import AwsHouse, GatewayOnly, House, UserPoolsOnly

__all__ = ["DOORS", "AwsHouse", "Finding", "GatewayOnly", "House", "Outcome", "Trial", "UserPoolsOnly"]

Room = TypeVar("Room")


@dataclass(frozen=True)
class Trial:
    """One door, whatever room it belongs to."""

    heading: str
    name: str
    aws: str
    waits: bool
    at: Callable[[House], Finding]


def _trials(heading: str, room: Callable[[House], Room], doors: tuple[Door[Room], ...]) -> Iterator[Trial]:
    for door in doors:
        yield Trial(heading, door.name, door.aws, door.waits, functools.partial(_open, door, room))


def _open(door: Door[Room], room: Callable[[House], Room], house: House) -> Finding:
    return door.open(lambda: room(house))


DOORS: tuple[Trial, ...] = (
    *_trials("User pools", lambda house: house.users, user_pools.DOORS),
    *_trials("Identity pools", lambda house: house.identities, identity_pools.DOORS),
    *_trials("IAM and STS", lambda house: house.principals, principals.DOORS),
    *_trials("API Gateway", lambda house: house.gateway, gateway.DOORS),
)

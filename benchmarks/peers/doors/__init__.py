"""All doors, by the service that they belong to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.peers.doors import gateway, identity_pools, principals, user_pools
from benchmarks.peers.doors.door import Door, Finding, Outcome
from benchmarks.peers.doors.house import AwsHouse, House

__all__ = ["DOORS", "AwsHouse", "Finding", "House", "Outcome", "Trial"]

Room = TypeVar("Room")


@dataclass(frozen=True)
class Trial:
    """One door, whatever room it belongs to."""

    heading: str
    name: str
    aws: str
    at: Callable[[House], Finding]


def _trials(heading: str, room: Callable[[House], Room], doors: tuple[Door[Room], ...]) -> Iterator[Trial]:
    for door in doors:
        yield Trial(heading, door.name, door.aws, lambda house, door=door: door.open(lambda: room(house)))  # type: ignore[misc]  # bound at once


DOORS: tuple[Trial, ...] = (
    *_trials("User pools", lambda house: house.users, user_pools.DOORS),
    *_trials("Identity pools", lambda house: house.identities, identity_pools.DOORS),
    *_trials("IAM and STS", lambda house: house.principals, principals.DOORS),
    *_trials("API Gateway", lambda house: house.gateway, gateway.DOORS),
)

"""Private values of SRP exchanges are made some at a time, and each is taken once."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from support.userpools import World, srp_client
from velvetrope.clock import CountingEntropy
from velvetrope.srp.groups import COGNITO_GROUP
from velvetrope.userpools.factors.private_values import PrivateValues

THREADS = 8
EACH = 20


class BusyEntropy(CountingEntropy):
    """While bytes are drawn for one who found nothing left, somebody else comes, or something fails."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = None

    def token_bytes(self, count: int) -> bytes:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().token_bytes(count)


def taken(values: PrivateValues, count: int) -> list[int]:
    return [values.take().value for _ in range(count)]


def test_each_is_another_one_with_its_own_power() -> None:
    values = PrivateValues(CountingEntropy())

    made = [values.take() for _ in range(20)]

    assert len({private.value for private in made}) == 20
    assert all(private.power == pow(2, private.value, COGNITO_GROUP.prime) for private in made)


def test_threads_that_race_take_different_ones() -> None:
    values, start = PrivateValues(CountingEntropy()), Barrier(THREADS)

    def race(_: int) -> list[int]:
        start.wait()
        return taken(values, EACH)

    with ThreadPoolExecutor(THREADS) as threads:
        got = [value for some in threads.map(race, range(THREADS)) for value in some]

    assert len(set(got)) == THREADS * EACH


def test_two_that_find_none_left_take_different_ones() -> None:
    entropy, other = BusyEntropy(), list[int]()
    values = PrivateValues(entropy)
    entropy.meanwhile = lambda: other.extend(taken(values, 1))

    got = other + taken(values, 20)

    assert len(set(got)) == 21


def test_failure_to_make_any_gives_nobody_one_twice() -> None:
    def fail() -> None:
        raise OSError("no randomness")

    entropy = BusyEntropy()
    values = PrivateValues(entropy)
    before = taken(values, 8)
    entropy.meanwhile = fail

    with pytest.raises(OSError, match="no randomness"):
        values.take()
    after = taken(values, 9)

    assert len({*before, *after}) == 17


def test_child_of_the_process_takes_none_of_its_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left when a process forks is in the memory of both."""
    values = PrivateValues(CountingEntropy())
    values.take()
    left = list(values._left)
    assert left

    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        got = taken(values, len(left))

    assert not {private.value for private in left} & set(got)


async def test_no_two_challenges_have_the_same_public_value(world: World) -> None:
    """Those of one name least of all, whose verifier is the same."""
    pool_id, client_id = await world.some_user()
    parameters = srp_client(pool_id, client_id).get_auth_params()

    challenges = [
        await world.initiate_auth(auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=parameters)
        for _ in range(18)
    ]

    assert len({challenge["challenge_parameters"]["SRP_B"] for challenge in challenges}) == 18

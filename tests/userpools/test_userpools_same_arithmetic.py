"""An SRP sign-in costs the same powers whoever it is for, whether or not powers of a verifier are kept."""

from collections import Counter
from collections.abc import Callable

import pytest

from support.userpools import World, srp_client
from velvetrope.srp.groups import Group

KINDS = ("power", "joint_power", "generator_power")


def counted(done: Counter[str], name: str) -> Callable[..., int]:
    plain: Callable[..., int] = getattr(Group, name)

    def power(*given: object) -> int:
        done[name] += 1
        return plain(*given)

    return power


@pytest.mark.parametrize("username", ["anna", "nobody", "anna@example.com"])
async def test_challenge_costs_the_same_powers_for_whoever_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch, username: str
) -> None:
    """Those of the generator are made for eight exchanges at once, whoever comes to be the first of the eight."""
    pool_id, client_id = await world.some_user()
    parameters = srp_client(pool_id, client_id, username).get_auth_params()
    done: Counter[str] = Counter()
    for name in KINDS:
        monkeypatch.setattr(Group, name, counted(done, name))
    costs = []

    for _ in range(9):
        done.clear()
        await world.initiate_auth(auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=parameters)
        costs.append(dict(done))

    first, others = {"power": 1, "joint_power": 1, "generator_power": 8}, {"power": 1, "joint_power": 1}
    assert costs == [first, *[others] * 7, first]

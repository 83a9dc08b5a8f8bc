"""A name that nobody has costs as much as one that somebody has: the same statements, and the same arithmetic.

Time itself is no test on a busy machine; what is counted is what takes the time.
"""

from collections import Counter

import pytest

from support.same_work import FLOWS, WAYS, work_done
from support.userpools import World
from velvetrope.errors import ServiceError
from velvetrope.store.tables.userpools import PasswordPolicySettings
from velvetrope.userpools.shapes import SignInPolicy, UserPoolPolicies


@pytest.mark.parametrize("way", WAYS)
async def test_missing_user_costs_what_a_real_one_costs(
    world: World, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    allowed = SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP"))
    pool_id = await world.pool(
        policies=UserPoolPolicies(password_policy=PasswordPolicySettings(), sign_in_policy=allowed)
    )
    client_id = await world.client(pool_id, explicit_auth_flows=FLOWS)
    await world.user(pool_id, email="anna@example.com", email_verified="true")

    async def cost(username: str) -> Counter[str]:
        with work_done(world, monkeypatch) as done:
            try:
                await WAYS[way](world, pool_id, client_id, username)
            except ServiceError:
                done["refused"] += 1
        return done

    await cost("warm")
    await cost("anna")

    assert await cost("nobo") == await cost("bert")
    assert await cost("anna") == await cost("warm")

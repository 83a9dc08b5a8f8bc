"""A name that nobody has costs as much as one that somebody has: the same statements, and the same arithmetic.

Time itself is no test on a busy machine; what is counted is what takes the time.
"""

from collections import Counter

import pytest

from support.same_work import FLOWS, WAYS, work_done
from support.userpools import World
from velvetrope.errors import ServiceError
from velvetrope.store.tables.userpools import PasswordPolicySettings, StoredCode, User, UserPool
from velvetrope.store.tables.userpools_users import read_stand_in
from velvetrope.userpools.messages import sent_codes
from velvetrope.userpools.messages.outbox import Outbox
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


async def test_a_wrong_recovery_code_is_held_against_a_name_and_a_record_also_where_nobody_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person's name costs besides statements: their record is read, and their `sub` goes into the comparison."""
    _, client_id = await world.some_user()
    read: list[str] = []
    compared: list[int] = []
    matches = Outbox.code_matches

    def reading() -> User:
        read.append("stand-in")
        return read_stand_in()

    def comparing(self: Outbox, pool: UserPool, sub: str, kept: StoredCode, presented: str) -> bool:
        compared.append(len(sub))
        return matches(self, pool, sub, kept, presented)

    monkeypatch.setattr(sent_codes, "read_stand_in", reading)
    monkeypatch.setattr(Outbox, "code_matches", comparing)

    for username in ("anna", "nobo"):
        await world.forgot_password(client_id=client_id, username=username)
        with pytest.raises(ServiceError, match="Invalid verification code provided"):
            await WAYS["wrong_recovery_code"](world, "", client_id, username)

    assert read == ["stand-in"], "for the name that nobody has"
    assert compared == [36, 36]

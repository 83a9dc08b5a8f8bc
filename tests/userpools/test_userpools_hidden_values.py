"""Values that a sign-in makes on its way hide what is secret in them, and a sealed password is known by its seal."""

import pytest

from support.userpools import PASSWORD, World
from velvetrope.srp import Challenge
from velvetrope.userpools.factors.password_proofs import Met
from velvetrope.userpools.passwords.vault import SrpVerifier, fingerprint_of
from velvetrope.userpools.tokens.issuing import IssuedTokens
from velvetrope.userpools.turns import NextChallenge, Turn

NUMBER = 987654321987654321
VERIFIER = SrpVerifier(7, NUMBER, powers=(NUMBER,))


@pytest.mark.parametrize(
    "value",
    [
        VERIFIER,
        Met(VERIFIER, Challenge(NUMBER, 11), b"hunter2hunter2"),
        NextChallenge("SMS_MFA", {"SALT": "hunter2"}, "hunter2"),
        IssuedTokens("hunter2", "hunter2", "hunter2", 3600, "origin"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_secret_in_a_value_is_not_in_its_text(value: object) -> None:
    for text in (repr(value), str(value), f"{[value]}"):
        assert type(value).__name__ in text
        assert "hunter2" not in text
        assert str(NUMBER) not in text


async def test_what_a_client_tells_functions_is_not_in_a_turns_text(world: World) -> None:
    pool_id, client_id = await world.some_user()
    pool, client = await world.store.load_pool(pool_id), await world.store.load_client(client_id)
    assert pool is not None
    assert client is not None

    turn = Turn(pool, client, admin=False, now=world.clock.now(), client_metadata={"captcha": "hunter2"})

    assert pool_id in repr(turn)
    assert "hunter2" not in repr(turn)


async def test_a_sealed_password_is_another_one_when_it_is_sealed_anew_and_when_there_is_none(world: World) -> None:
    pool_id, _ = await world.some_user()
    first = await world.store.load_user(pool_id, "anna")
    await world.admin_set_user_password(user_pool_id=pool_id, username="anna", password=PASSWORD, permanent=True)
    again = await world.store.load_user(pool_id, "anna")
    assert first is not None
    assert again is not None

    seen = {fingerprint_of(sealed) for sealed in (first.password_sealed, again.password_sealed, None)}

    assert len(seen) == 3
    assert b"" not in seen, "which stands for no password having been shown"

"""Authentication tokens: botocore makes them, and everything about them can be wrong."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from unittest import mock

import boto3
import pytest

from velvetrope.edge.database.tokens import TokenRefused, TokenVerifier
from velvetrope.policy import PrincipalPolicies, parse_policy
from velvetrope.principals import Principal, SigningCredentials
from velvetrope.secret import Secret
from velvetrope.sigv4 import ExpiredSessionToken, UnknownAccessKey

ACCOUNT, REGION = "123456789012", "us-west-2"
KEY, SECRET, SESSION = "ASIAORDERSORDERSORDE", "orders-secret-orders-secret-orders-secre", "a session token+/="
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDERS = Principal(
    kind="AssumedRole",
    account_id=ACCOUNT,
    arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/orders",
    policy_arn=f"arn:aws:iam::{ACCOUNT}:role/orders",
    unique_id="AROAORDERS:orders",
    name="orders",
)


class Keys:
    """One role's session, until it ends."""

    ended = False

    async def find_credentials(self, access_key_id: str, session_token: str | None, _now: datetime) -> Any:
        if access_key_id != KEY or session_token != SESSION:
            raise UnknownAccessKey
        if self.ended:
            raise ExpiredSessionToken
        return SigningCredentials(KEY, Secret(SECRET), ORDERS)


class Policies:
    """What the role may."""

    def __init__(self, resource: str, effect: str = "Allow") -> None:
        text = (
            f'{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"rds-db:connect",'
            f'"Resource":"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{resource}"}}}}'
        )
        self.policies = PrincipalPolicies(identity=(parse_policy(text, kind="identity", source="the test"),))

    async def policies_for(self, _principal: Principal) -> PrincipalPolicies:
        return self.policies


@lru_cache
def rds(region: str, secret: str, session: str) -> Any:
    return boto3.client(
        "rds",
        region_name=region,
        aws_access_key_id=KEY,
        aws_secret_access_key=secret,
        aws_session_token=session,
    )


def make_token(
    host: str = "localhost",
    port: int = 5433,
    user: str = "orders",
    region: str = REGION,
    at: datetime = NOW,
    secret: str = SECRET,
    session: str = SESSION,
) -> str:
    """As a function makes it, at that moment."""
    client = rds(region, secret, session)
    with mock.patch("botocore.auth.get_current_datetime", return_value=at.replace(tzinfo=None)):
        return str(client.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user, Region=region))


def verifier(policies: Policies | None = None, keys: Keys | None = None) -> TokenVerifier:
    return TokenVerifier(
        keys or Keys(),
        policies or Policies("db-VELVETROPE/orders"),
        region=REGION,
        account_id=ACCOUNT,
        resource_id="db-VELVETROPE",
        authorities=["localhost:5433", "127.0.0.1:5433"],
    )


async def refusal(token: str, *, now: datetime = NOW, user: str = "orders", **options: Any) -> str:
    with pytest.raises(TokenRefused) as caught:
        await verifier(**options).verify(token, user=user, source_ip="127.0.0.1", now=now)
    return f"{caught.value.step}: {caught.value.message}"


async def test_a_token_that_botocore_made_lets_its_user_in() -> None:
    verified = await verifier().verify(make_token(), user="orders", source_ip="127.0.0.1", now=NOW)

    assert verified.principal == ORDERS
    assert verified.decision.allowed


async def test_a_token_is_good_for_fifteen_minutes_and_dead_at_their_end() -> None:
    token = make_token()

    for age in (0, 301, 899):
        await verifier().verify(token, user="orders", source_ip="", now=NOW + timedelta(seconds=age))
    await verifier().verify(token, user="orders", source_ip="", now=NOW - timedelta(minutes=5))
    assert "has expired" in await refusal(token, now=NOW + timedelta(seconds=900))
    assert "in the future" in await refusal(token, now=NOW - timedelta(minutes=5, seconds=1))


async def test_a_token_is_for_one_user_and_one_door() -> None:
    assert "another database user" in await refusal(make_token(user="admin"))
    assert "another database user" in await refusal(make_token(), user="admin")
    assert "not this door" in await refusal(make_token(host="db.example.com"))
    assert "not this door" in await refusal(make_token(port=5432))
    assert "ScopeMismatch" in await refusal(make_token(region="eu-west-1"))


async def test_a_token_of_the_wrong_key_or_session_is_refused() -> None:
    keys = Keys()
    keys.ended = True

    assert "SignatureMismatch" in await refusal(make_token(secret="wrong"))
    assert "UnknownAccessKey" in await refusal(make_token(session="another"))
    assert "ExpiredSessionToken" in await refusal(make_token(), keys=keys)


async def test_policy_decides_about_the_user_and_the_database() -> None:
    token = make_token()

    for resource in ("db-VELVETROPE/*", "*/orders", "db-VELVETROPE/orders"):
        await verifier(Policies(resource)).verify(token, user="orders", source_ip="", now=NOW)
    for resource in ("db-VELVETROPE/admin", "db-OTHER/orders", "db-VELVETROPE/Orders"):
        why = await refusal(token, policies=Policies(resource))
        assert why.startswith(f"authorization: User: {ORDERS.arn} is not authorized to perform: rds-db:connect on ")
        assert "because no identity-based policy allows the rds-db:connect action" in why
    assert "explicit deny" in await refusal(token, policies=Policies("*", "Deny"))


TAMPERING: dict[str, Callable[[str], str]] = {
    "another user, not signed": lambda token: token.replace("DBUser=orders", "DBUser=admin"),
    "another action": lambda token: token.replace("Action=connect", "Action=admin"),
    "no action": lambda token: token.replace("Action=connect&", ""),
    "a longer life": lambda token: token.replace("X-Amz-Expires=900", "X-Amz-Expires=901"),
    "a day's life": lambda token: token.replace("X-Amz-Expires=900", "X-Amz-Expires=86400"),
    "no end of life": lambda token: token.replace("X-Amz-Expires=900&", ""),
    "a later date": lambda token: token.replace("20260102T030405Z", "20260102T030406Z"),
    "a field twice": lambda token: token + "&DBUser=orders",
    "an unknown field": lambda token: token + "&Colour=red",
    "a flipped digit": lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
    "no signature": lambda token: token.partition("&X-Amz-Signature")[0],
    "another host, not signed": lambda token: token.replace("localhost", "127.0.0.1"),
    "another path": lambda token: token.replace("/?", "/admin?"),
    "a scheme": lambda token: f"https://{token}",
    "a password": lambda _: "orders",
    "nothing": lambda _: "",
    "not ASCII": lambda token: token + "é",
    "only a host": lambda _: "localhost:5433/?",
    "many fields": lambda token: token + "".join(f"&a{n}=1" for n in range(100)),
}


@pytest.mark.parametrize("how", TAMPERING)
async def test_a_token_that_was_tampered_with_opens_nothing(how: str) -> None:
    token = TAMPERING[how](make_token())

    user = "admin" if "DBUser=admin" in token else "orders"
    assert await refusal(token, user=user, policies=Policies("*"))


async def test_reasons_never_repeat_the_token() -> None:
    token = make_token(secret="wrong")

    assert SESSION not in await refusal(token)
    assert token.rpartition("=")[2] not in await refusal(token)

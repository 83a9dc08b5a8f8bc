"""Permissions are remembered only while nothing that they depend on can differ."""

import msgspec

from support.gateway import ACCOUNT, Gateway, allow
from velvetrope.policy import PrincipalPolicies, parse_policy
from velvetrope.principals import Principal, SigningCredentials

_ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"


async def _status(gateway: Gateway, *, source_ip: str = "127.0.0.1") -> int:
    request = gateway.signed(gateway.request("GET", "/iam"), gateway.user())
    return (await gateway.call(msgspec.structs.replace(request, source_ip=source_ip))).status


async def test_a_policy_with_a_condition_is_asked_every_time(gateway: Gateway) -> None:
    text = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*",'
        '"Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.1/32"}}}}'
    )
    gateway.callers.policies[_ALICE] = PrincipalPolicies(identity=(parse_policy(text, kind="identity"),))

    assert [await _status(gateway), await _status(gateway, source_ip="10.0.0.1"), await _status(gateway)] == [
        200,
        403,
        200,
    ]


async def test_taking_a_policy_away_works_at_once(gateway: Gateway) -> None:
    gateway.callers.policies[_ALICE] = allow("*")
    first = [await _status(gateway), await _status(gateway)]

    gateway.callers.policies[_ALICE] = allow("*", effect="Deny")

    assert (first, await _status(gateway)) == ([200, 200], 403)


async def test_a_permission_for_one_resource_is_none_for_another(gateway: Gateway) -> None:
    gateway.callers.policies[_ALICE] = allow(gateway.arn("GET/iam/a"))
    user = gateway.user()

    statuses = [
        (await gateway.call(gateway.signed(gateway.request("GET", path), user))).status
        for path in ("/iam/a", "/iam/a", "/iam/b", "/iam")
    ]

    assert statuses == [200, 200, 403, 403]


async def test_root_and_a_caller_without_policies_are_not_mixed_up(gateway: Gateway) -> None:
    """Both have the same, empty policies; only root needs none."""
    nothing = PrincipalPolicies()
    gateway.callers.policies[_ALICE] = nothing
    user = gateway.user()
    known = gateway.callers.users[user.access_key_id]
    root_arn = f"arn:aws:iam::{ACCOUNT}:root"
    gateway.callers.policies[root_arn] = nothing
    root = Principal(kind="Account", account_id=ACCOUNT, arn=root_arn, policy_arn=root_arn, unique_id=ACCOUNT)
    request = gateway.signed(gateway.request("GET", "/iam"), user)
    gateway.callers.users[user.access_key_id] = SigningCredentials(known.access_key_id, known.secret_access_key, root)

    as_root = (await gateway.call(request)).status
    gateway.callers.users[user.access_key_id] = known

    assert (as_root, (await gateway.call(request)).status) == (200, 403)

"""Users get other names: what hangs on the name comes along, and nobody inherits what was the old name's."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest

from support.iam import ACCOUNT, NOW, Iam, allow, call_by, deny, document, make_role, make_user, open_iam
from velvetrope.errors import ServiceError
from velvetrope.principals import Principal, Session

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
async def iam(tmp_path: Path) -> AsyncIterator[Iam]:
    async with open_iam(tmp_path) as opened:
        yield opened


async def refused(call: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(ServiceError) as error:
        await call
    return error.value.code, error.value.message


async def rename(iam: Iam, new_name: str | None = "alicia", **members: Any) -> Any:
    named: dict[str, Any] = {} if new_name is None else {"new_user_name": new_name}
    return await iam.call("update_user", user_name="alice", **named, **members)


async def test_what_a_user_has_comes_along(iam: Iam) -> None:
    await make_user(iam, allow("iam:ListUsers"))
    made = (await iam.call("create_access_key", user_name="alice"))["access_key"]
    await iam.call("create_group", group_name="staff")
    await iam.call("add_user_to_group", group_name="staff", user_name="alice")
    await iam.call("attach_user_policy", user_name="alice", policy_arn=READ_ONLY)
    await iam.call("put_user_permissions_boundary", user_name="alice", permissions_boundary=READ_ONLY)
    device = (await iam.call("create_virtual_mfa_device", virtual_mfa_device_name="d"))["virtual_mfa_device"]
    phone = pyotp.TOTP(device["base32_string_seed"].decode())
    await iam.call(
        "enable_mfa_device",
        user_name="alice",
        serial_number=device["serial_number"],
        authentication_code1=phone.at(NOW, counter_offset=-1),
        authentication_code2=phone.at(NOW),
    )

    await rename(iam)

    user = (await iam.call("get_user", user_name="alicia"))["user"]
    assert user["arn"] == f"arn:aws:iam::{ACCOUNT}:user/alicia"
    assert user["permissions_boundary"]["permissions_boundary_arn"] == READ_ONLY
    assert (await refused(iam.call("get_user", user_name="alice")))[0] == "NoSuchEntity"
    attached = await iam.call("list_attached_user_policies", user_name="alicia")
    assert [policy["policy_arn"] for policy in attached["attached_policies"]] == [READ_ONLY]
    groups = await iam.call("list_groups_for_user", user_name="alicia")
    assert [group["group_name"] for group in groups["groups"]] == ["staff"]
    keys = await iam.call("list_access_keys", user_name="alicia")
    assert [(key["user_name"], key["access_key_id"]) for key in keys["access_key_metadata"]] == [
        ("alicia", made["access_key_id"])
    ]
    devices = await iam.call("list_mfa_devices", user_name="alicia")
    assert [found["user_name"] for found in devices["mfa_devices"]] == ["alicia"]
    holder = await iam.keys.find_access_key(made["access_key_id"], NOW)
    assert holder is not None
    assert (holder.principal.name, holder.principal.arn) == ("alicia", user["arn"])


async def test_the_path_alone_may_change(iam: Iam) -> None:
    await make_user(iam)
    await rename(iam, None, new_path="/staff/")

    user = (await iam.call("get_user", user_name="alice"))["user"]
    assert (user["path"], user["arn"]) == ("/staff/", f"arn:aws:iam::{ACCOUNT}:user/staff/alice")


async def test_a_name_that_is_taken_is_refused(iam: Iam) -> None:
    await make_user(iam)
    await make_user(iam, name="bob")

    assert await refused(rename(iam, "BOB")) == ("EntityAlreadyExists", "User with name BOB already exists.")
    assert (await refused(iam.call("update_user", user_name="nobody")))[0] == "NoSuchEntity"
    assert (await iam.call("get_user", user_name="alice"))["user"]["user_name"] == "alice"


async def test_sessions_under_the_old_name_may_do_nothing(iam: Iam) -> None:
    alice = await make_user(iam, allow("iam:ListUsers"))
    session = replace(alice, session=Session(NOW, NOW + timedelta(hours=1)))

    assert (await iam.judge.judge("iam", "ListUsers", {}, call_by(session))).decision.allowed
    await rename(iam)
    assert not (await iam.judge.judge("iam", "ListUsers", {}, call_by(session))).decision.allowed


async def test_a_federated_session_does_not_get_the_rights_of_who_has_its_issuers_name_now(iam: Iam) -> None:
    """The session's issuer is looked up by name; another user may be given that name later."""
    alice = await make_user(iam, allow("iam:ListUsers"))
    await make_user(iam, allow("iam:*"), name="bob")
    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    everything = document(allow("*"))
    session = Session(
        NOW,
        NOW + timedelta(hours=1),
        policies=(everything,),
        issuer_arn=alice.arn,
        issuer_id=alice.unique_id,
    )
    guest = Principal("FederatedUser", ACCOUNT, arn, arn, f"{ACCOUNT}:guest", "alice", session=session)

    async def may(operation: str) -> bool:
        return (await iam.judge.judge("iam", operation, {}, call_by(guest))).decision.allowed

    assert await may("ListUsers")
    await rename(iam)
    await iam.call("update_user", user_name="bob", new_user_name="alice")
    assert not await may("ListUsers")
    assert not await may("ListRoles")


async def test_both_names_must_be_allowed(iam: Iam) -> None:
    await make_user(iam)
    arn = f"arn:aws:iam::{ACCOUNT}:user/"
    mover = await make_role(iam, allow("iam:UpdateUser", [f"{arn}alice", f"{arn}alicia"]), deny("iam:*", f"{arn}root*"))

    async def may(new_name: str) -> bool:
        parameters = {"UserName": "alice", "NewUserName": new_name}
        return (await iam.judge.judge("iam", "UpdateUser", parameters, call_by(mover))).decision.allowed

    assert await may("alicia")
    assert not await may("bob")
    assert not await may("root2")


async def test_what_nobody_has_is_said_to_be_none(iam: Iam) -> None:
    await make_user(iam)
    await make_role(iam, name="Reader")

    asked: list[tuple[str, dict[str, Any], str]] = [
        ("list_instance_profiles", {}, "instance_profiles"),
        ("list_instance_profiles_for_role", {"role_name": "Reader"}, "instance_profiles"),
        ("list_server_certificates", {}, "server_certificate_metadata_list"),
        ("list_ssh_public_keys", {"user_name": "alice"}, "ssh_public_keys"),
        ("list_signing_certificates", {"user_name": "alice"}, "certificates"),
        ("list_service_specific_credentials", {"user_name": "alice"}, "service_specific_credentials"),
    ]
    for operation, members, name in asked:
        assert (await iam.call(operation, **members))[name] == []
    for operation in ("get_login_profile", "delete_login_profile"):
        assert await refused(iam.call(operation, user_name="alice")) == (
            "NoSuchEntity",
            "Login Profile for User alice cannot be found.",
        )
    assert await refused(iam.call("get_account_password_policy")) == (
        "NoSuchEntity",
        f"The Password Policy with domain name {ACCOUNT} cannot be found.",
    )


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("list_instance_profiles_for_role", {"role_name": "ghost"}),
        ("list_ssh_public_keys", {"user_name": "ghost"}),
        ("list_signing_certificates", {"user_name": "ghost"}),
        ("list_service_specific_credentials", {"user_name": "ghost"}),
        ("get_login_profile", {"user_name": "ghost"}),
    ],
)
async def test_of_who_is_not_there_nothing_is_said(iam: Iam, operation: str, members: dict[str, Any]) -> None:
    assert (await refused(iam.call(operation, **members)))[0] == "NoSuchEntity"

"""Keys, their life, their aliases and tags."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from support.kms import ACCOUNT, NO_KEY, Kms, key_arn
from velvetrope.kms.errors import (
    AlreadyExistsException,
    DisabledException,
    InvalidAliasNameException,
    InvalidArnException,
    InvalidMarkerException,
    KMSInvalidStateException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    NotFoundException,
    TagException,
    UnsupportedOperationException,
    ValidationException,
)
from velvetrope.kms.keys import Keys
from velvetrope.kms.tags import Tag


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


ROOT_MAY = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}


async def test_a_new_key_is_a_symmetric_encryption_key_that_can_be_used(kms: Kms) -> None:
    key_id = await kms.create(description="codes")

    assert await kms.described(key_id) == {
        "aws_account_id": ACCOUNT,
        "key_id": key_id,
        "arn": key_arn(key_id),
        "creation_date": kms.clock.now(),
        "enabled": True,
        "description": "codes",
        "key_usage": "ENCRYPT_DECRYPT",
        "key_state": "Enabled",
        "deletion_date": None,
        "origin": "AWS_KMS",
        "key_manager": "CUSTOMER",
        "customer_master_key_spec": "SYMMETRIC_DEFAULT",
        "key_spec": "SYMMETRIC_DEFAULT",
        "encryption_algorithms": ["SYMMETRIC_DEFAULT"],
        "multi_region": False,
    }
    assert (await kms.operate("get_key_rotation_status", key_id=key_id))["key_rotation_enabled"] is False


async def test_a_multi_region_key_and_two_specs_are_refused(kms: Kms) -> None:
    with pytest.raises(UnsupportedOperationException, match="MultiRegion"):
        await kms.create(multi_region=True)
    with pytest.raises(ValidationException, match="KeySpec"):
        await kms.create(key_spec="SYMMETRIC_DEFAULT", customer_master_key_spec="SYMMETRIC_DEFAULT")


async def test_a_key_is_found_by_each_of_its_names(kms: Kms) -> None:
    key_id = await kms.create()
    await kms.operate("create_alias", alias_name="alias/codes", target_key_id=key_id)

    for name in (key_id, key_arn(key_id), "alias/codes", key_arn(key_id).replace(f"key/{key_id}", "alias/codes")):
        assert (await kms.described(name))["key_id"] == key_id


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (NO_KEY, NotFoundException),
        (key_arn(NO_KEY), NotFoundException),
        ("alias/none", NotFoundException),
        ("codes", NotFoundException),
        (f"{NO_KEY}%", NotFoundException),
        (key_arn(NO_KEY).replace("us-west-2", "eu-central-1"), InvalidArnException),
        (key_arn(NO_KEY).replace(ACCOUNT, "111111111111"), InvalidArnException),
        (key_arn(NO_KEY).replace("arn:aws:", "arn:aws-cn:"), InvalidArnException),
        (key_arn(NO_KEY).replace(":key/", ":grant/"), InvalidArnException),
        ("arn:aws:kms", InvalidArnException),
    ],
)
async def test_what_names_no_key_is_refused(kms: Kms, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await kms.described(name)


async def test_an_alias_cannot_stand_for_a_key_that_is_to_be_changed(kms: Kms) -> None:
    key_id = await kms.create()
    await kms.operate("create_alias", alias_name="alias/codes", target_key_id=key_id)

    for operation in ("disable_key", "schedule_key_deletion", "get_key_policy", "list_resource_tags"):
        with pytest.raises(NotFoundException):
            await kms.operate(operation, key_id="alias/codes")
    assert (await kms.described(key_id))["enabled"] is True


async def test_a_disabled_key_encrypts_and_decrypts_nothing_until_it_is_enabled(kms: Kms) -> None:
    key_id = await kms.create()
    ciphertext = await kms.encrypt(key_id)

    await kms.operate("disable_key", key_id=key_id)

    assert (await kms.described(key_id))["key_state"] == "Disabled"
    with pytest.raises(DisabledException, match=f"{key_arn(key_id)} is disabled"):
        await kms.encrypt(key_id)
    with pytest.raises(DisabledException):
        await kms.decrypt(ciphertext)
    with pytest.raises(DisabledException):
        await kms.operate("generate_data_key", key_id=key_id, key_spec="AES_256")
    await kms.operate("enable_key", key_id=key_id)
    assert await kms.decrypt(ciphertext) == b"velvet"


@pytest.mark.parametrize("days", [7, 30])
async def test_a_key_is_gone_exactly_when_its_time_is_over(kms: Kms, days: int) -> None:
    key_id = await kms.create()
    await kms.operate("create_alias", alias_name="alias/codes", target_key_id=key_id)
    ciphertext = await kms.encrypt(key_id)

    answer = await kms.operate("schedule_key_deletion", key_id=key_id, pending_window_in_days=days)

    assert answer["key_state"] == "PendingDeletion"
    with pytest.raises(KMSInvalidStateException, match="pending deletion"):
        await kms.decrypt(ciphertext)
    kms.advance(days=days, microseconds=-1)
    assert (await kms.described("alias/codes"))["deletion_date"] == answer["deletion_date"]
    kms.advance(microseconds=1)
    for name in (key_id, "alias/codes"):
        with pytest.raises(NotFoundException):
            await kms.described(name)
    with pytest.raises(NotFoundException):
        await kms.decrypt(ciphertext)
    with pytest.raises(NotFoundException):
        await kms.operate("cancel_key_deletion", key_id=key_id)
    assert (await kms.operate("list_keys"))["keys"] == (await kms.operate("list_aliases"))["aliases"] == []


async def test_of_a_key_that_is_gone_no_material_is_left_after_the_next_change(kms: Kms) -> None:
    key_id = await kms.create()
    await kms.operate("create_alias", alias_name="alias/codes", target_key_id=key_id)
    await kms.operate("schedule_key_deletion", key_id=key_id)
    kms.advance(days=30)

    other = await kms.create()

    async with kms.database.read() as connection:
        kept = list((await connection.execute(text("SELECT key_arn FROM kms_keys"))).scalars())
        aliases = list((await connection.execute(text("SELECT alias_arn FROM kms_aliases"))).scalars())
    assert (kept, aliases) == ([key_arn(other)], [])
    await kms.operate("create_alias", alias_name="alias/codes", target_key_id=other)


@pytest.mark.parametrize("days", [6, 31])
async def test_a_key_waits_for_seven_to_thirty_days(kms: Kms, days: int) -> None:
    key_id = await kms.create()

    with pytest.raises(ValidationException, match="between 7 and 30"):
        await kms.operate("schedule_key_deletion", key_id=key_id, pending_window_in_days=days)


async def test_a_cancelled_deletion_leaves_the_key_disabled(kms: Kms) -> None:
    key_id = await kms.create()
    await kms.operate("schedule_key_deletion", key_id=key_id)

    await kms.operate("cancel_key_deletion", key_id=key_id)

    assert (await kms.described(key_id))["key_state"] == "Disabled"
    kms.advance(days=365)
    await kms.operate("enable_key", key_id=key_id)
    assert await kms.decrypt(await kms.encrypt(key_id)) == b"velvet"
    with pytest.raises(KMSInvalidStateException, match="not pending deletion"):
        await kms.operate("cancel_key_deletion", key_id=key_id)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("enable_key", {}),
        ("disable_key", {}),
        ("schedule_key_deletion", {}),
        ("update_key_description", {"description": "x"}),
        ("tag_resource", {"tags": [Tag(tag_key="a", tag_value="b")]}),
        ("untag_resource", {"tag_keys": ["a"]}),
    ],
)
async def test_a_key_that_awaits_its_deletion_is_not_changed(kms: Kms, operation: str, parameters: Any) -> None:
    key_id = await kms.create()
    await kms.operate("schedule_key_deletion", key_id=key_id)

    with pytest.raises(KMSInvalidStateException):
        await kms.operate(operation, key_id=key_id, **parameters)
    with pytest.raises(KMSInvalidStateException):
        await kms.operate("create_alias", alias_name="alias/late", target_key_id=key_id)


async def test_keys_and_aliases_are_listed_in_pages(kms: Kms) -> None:
    ids = sorted([await kms.create() for _ in range(5)])
    for number, key_id in enumerate(ids):
        await kms.operate("create_alias", alias_name=f"alias/{number}", target_key_id=key_id)

    seen: list[str] = []
    marker = None
    while marker is not None or not seen:
        page = await kms.operate("list_keys", limit=2, marker=marker)
        seen += [key["key_id"] for key in page["keys"]]
        marker = page.get("next_marker")
        assert page["truncated"] is (marker is not None)
    first = await kms.operate("list_aliases", limit=4)
    rest = await kms.operate("list_aliases", limit=4, marker=first["next_marker"])
    of_one = await kms.operate("list_aliases", key_id=ids[3])

    assert seen == ids
    assert [alias["target_key_id"] for alias in (*first["aliases"], *rest["aliases"])] == ids
    assert [alias["alias_name"] for alias in of_one["aliases"]] == ["alias/3"]
    with pytest.raises(InvalidMarkerException):
        await kms.operate("list_keys", marker="%")


async def test_an_alias_is_moved_to_another_key_and_deleted(kms: Kms) -> None:
    first, second = await kms.create(), await kms.create()
    await kms.operate("create_alias", alias_name="alias/codes", target_key_id=first)
    ciphertext = await kms.encrypt("alias/codes")

    await kms.operate("update_alias", alias_name="alias/codes", target_key_id=second)

    assert (await kms.described("alias/codes"))["key_id"] == second
    assert await kms.decrypt(ciphertext) == b"velvet"  # which key it is of stands in the ciphertext
    await kms.operate("delete_alias", alias_name="alias/codes")
    for operation in ("update_alias", "delete_alias"):
        target = {"target_key_id": first} if operation == "update_alias" else {}
        with pytest.raises(NotFoundException, match="alias/codes is not found"):
            await kms.operate(operation, alias_name="alias/codes", **target)


async def test_of_two_who_take_an_alias_one_gets_it(kms: Kms) -> None:
    key_id = await kms.create()
    taken = [kms.operate("create_alias", alias_name="alias/codes", target_key_id=key_id) for _ in range(4)]

    outcomes = await asyncio.gather(*taken, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes if outcome is not None] == [AlreadyExistsException] * 3


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("codes", InvalidAliasNameException),
        ("alias/", InvalidAliasNameException),
        ("alias/a:b", InvalidAliasNameException),
        ("alias/aws/cognito", UnsupportedOperationException),
    ],
)
async def test_an_alias_has_a_name_that_aws_would_take(kms: Kms, name: str, error: type[Exception]) -> None:
    key_id = await kms.create()

    with pytest.raises(error):
        await kms.operate("create_alias", alias_name=name, target_key_id=key_id)


async def test_tags_come_and_go(kms: Kms) -> None:
    key_id = await kms.create(tags=[Tag(tag_key="team", tag_value="door")])

    await kms.operate("tag_resource", key_id=key_id, tags=[Tag(tag_key="a", tag_value="1")])
    both = await kms.operate("list_resource_tags", key_id=key_id)
    await kms.operate("untag_resource", key_id=key_id, tag_keys=["team", "none"])
    one = await kms.operate("list_resource_tags", key_id=key_id)

    assert both["tags"] == [{"tag_key": "a", "tag_value": "1"}, {"tag_key": "team", "tag_value": "door"}]
    assert one["tags"] == [{"tag_key": "a", "tag_value": "1"}]


async def test_tags_that_no_key_can_have_are_refused(kms: Kms) -> None:
    key_id = await kms.create()
    many = [Tag(tag_key=str(number), tag_value="") for number in range(50)]
    await kms.operate("tag_resource", key_id=key_id, tags=many)

    with pytest.raises(LimitExceededException):
        await kms.operate("tag_resource", key_id=key_id, tags=[Tag(tag_key="51", tag_value="")])
    with pytest.raises(TagException, match="reserved"):
        await kms.create(tags=[Tag(tag_key="aws:x", tag_value="")])
    with pytest.raises(TagException, match="Duplicate"):
        await kms.create(tags=[Tag(tag_key="x", tag_value=""), Tag(tag_key="x", tag_value="")])


async def test_a_key_policy_is_kept_and_shown(kms: Kms) -> None:
    key_id = await kms.create()
    default = json.loads((await kms.operate("get_key_policy", key_id=key_id))["policy"])
    document = policy(ROOT_MAY, {**ROOT_MAY, "Effect": "Deny", "Action": "kms:Decrypt"})

    await kms.operate("put_key_policy", key_id=key_id, policy=document)

    assert default["Statement"][0]["Principal"] == ROOT_MAY["Principal"]
    assert (await kms.operate("get_key_policy", key_id=key_id))["policy"] == document
    assert (await kms.operate("list_key_policies", key_id=key_id))["policy_names"] == ["default"]
    with pytest.raises(MalformedPolicyDocumentException, match="default"):
        await kms.operate("put_key_policy", key_id=key_id, policy=document, policy_name="other")


@pytest.mark.parametrize(
    "document",
    [
        "{}",
        "no json",
        policy({"Effect": "Allow", "Action": "kms:*", "Resource": "*"}),
        policy({**ROOT_MAY, "Condition": {"NoSuchOperator": {"kms:ViaService": "x"}}}),
        policy({**ROOT_MAY, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/none"}}),
    ],
)
async def test_what_is_no_key_policy_is_refused(kms: Kms, document: str) -> None:
    with pytest.raises(MalformedPolicyDocumentException):
        await kms.create(policy=document, bypass_policy_lockout_safety_check=True)


async def test_a_policy_that_would_lock_its_author_out_is_refused_unless_that_is_asked_for(kms: Kms) -> None:
    key_id = await kms.create()
    locked = policy({**ROOT_MAY, "Action": "kms:Decrypt"})

    with pytest.raises(MalformedPolicyDocumentException, match="in the future"):
        await kms.operate("put_key_policy", key_id=key_id, policy=locked)
    with pytest.raises(MalformedPolicyDocumentException, match="in the future"):
        await kms.create(policy=locked)
    await kms.operate("put_key_policy", key_id=key_id, policy=locked, bypass_policy_lockout_safety_check=True)
    with pytest.raises(LimitExceededException):
        await kms.operate("put_key_policy", key_id=key_id, policy=policy(ROOT_MAY) + " " * 32_768)


async def test_material_is_sealed_for_its_key_and_opens_after_a_rotation_of_the_master_key(kms: Kms) -> None:
    key_id, other_id = await kms.create(), await kms.create()
    ciphertext = await kms.encrypt(key_id)
    rotated = Keys(
        kms.database, kms.master_keys.rotated(kms.service.keys._entropy), kms.clock, kms.service.keys._entropy
    )
    key = await rotated.load(key_arn(key_id), kms.clock.now())

    assert await rotated.decrypt(key, ciphertext, {}, now=kms.clock.now()) == b"velvet"
    # A row's material, moved to another key's row, does not open.
    async with kms.database.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE kms_keys SET material_sealed = (SELECT material_sealed FROM kms_keys WHERE key_arn = :a)"),
            {"a": key_arn(other_id)},
        )
    with pytest.raises(Exception, match="sealed"):
        await rotated.decrypt(key, ciphertext, {}, now=kms.clock.now())
    assert "material" not in msgspec.json.encode(key).decode()

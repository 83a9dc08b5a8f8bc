"""Aliases that are given to another key between the judgement of a call and the call itself."""

from typing import Any

import pytest

from support.kms import ACCOUNT, REGION, Kms, key_arn
from velvetrope.kms.errors import KMSInternalException, NotFoundException

ALIAS = "alias/codes"
ALIAS_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:{ALIAS}"


async def moved(kms: Kms) -> tuple[str, str]:
    """The ARNs of the key that the alias had when the call was judged, and of the one that it has now."""
    first, second = await kms.create(), await kms.create()
    await kms.operate("create_alias", alias_name=ALIAS, target_key_id=second)
    kms.judged = (ALIAS_ARN, key_arn(first))
    return key_arn(first), key_arn(second)


@pytest.mark.parametrize("name", [ALIAS, ALIAS_ARN])
@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("encrypt", {"plaintext": b"velvet"}),
        ("generate_data_key", {"key_spec": "AES_256"}),
        ("generate_data_key_without_plaintext", {"key_spec": "AES_256"}),
    ],
)
async def test_the_key_that_was_judged_is_used(kms: Kms, operation: str, parameters: dict[str, Any], name: str) -> None:
    first, second = await moved(kms)

    answer = await kms.operate(operation, key_id=name, **parameters)
    kms.judged = (second,)
    unmoved = await kms.operate(operation, key_id=name, **parameters)

    assert (answer["key_id"], unmoved["key_id"]) == (first, second)


async def test_the_key_that_was_judged_is_described(kms: Kms) -> None:
    first, _ = await moved(kms)

    assert (await kms.described(ALIAS))["arn"] == first


@pytest.mark.parametrize("judged", [("*",), (ALIAS_ARN,)])
async def test_an_alias_that_was_nobodys_when_it_was_judged_is_nobodys(kms: Kms, judged: tuple[str, ...]) -> None:
    await moved(kms)
    kms.judged = judged

    with pytest.raises(NotFoundException, match=f"Alias {ALIAS_ARN} is not found"):
        await kms.encrypt(ALIAS)


@pytest.mark.parametrize("operation", ["update_alias", "delete_alias"])
async def test_an_alias_of_a_key_that_was_not_judged_is_left_alone(kms: Kms, operation: str) -> None:
    first, second = await moved(kms)
    target = {"target_key_id": first} if operation == "update_alias" else {}

    with pytest.raises(KMSInternalException, match="can be retried"):
        await kms.operate(operation, alias_name=ALIAS, **target)

    kms.judged = (ALIAS_ARN, second, first)
    assert (await kms.described(second))["arn"] == second
    await kms.operate(operation, alias_name=ALIAS, **target)


async def test_a_key_under_its_own_name_is_itself_whatever_was_judged(kms: Kms) -> None:
    first, second = await moved(kms)

    assert (await kms.operate("encrypt", key_id=second, plaintext=b"x"))["key_id"] == second
    assert (await kms.operate("encrypt", key_id=first, plaintext=b"x"))["key_id"] == first

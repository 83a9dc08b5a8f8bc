"""KMS on a real server, spoken to by boto3: the key policy decides, and each permission is refused without it."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client, new_user
from support.running import RunningServer

ACCOUNT, REGION = "123456789012", "us-west-2"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
CONTEXT = {"userpool-id": "us-west-2_door"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer("serve", state_folder=tmp_path_factory.mktemp("kms") / "state") as server:
        yield server


@pytest.fixture
def kms(server: RunningServer) -> Any:
    return aws_client(server, "kms")


def statement(principal: object, *actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*", **more}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def new_key(kms: Any, *statements: dict[str, Any], **parameters: Any) -> str:
    """A key that root administers without delegating anything to the account's policies, if there are statements."""
    if statements:
        root = statement({"AWS": ROOT}, "kms:*", Condition={"ArnEquals": {"aws:PrincipalArn": ROOT}})
        parameters["Policy"] = policy(root, *statements)
    return str(kms.create_key(**parameters)["KeyMetadata"]["Arn"])


def user_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """Code and message of a call that must be refused."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Code"], error["Message"]


def everything(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "kms:*", "Resource": "*", **more}


def test_a_key_encrypts_and_decrypts_through_boto3(kms: Any) -> None:
    arn = new_key(kms, Description="codes", Tags=[{"TagKey": "team", "TagValue": "door"}])
    kms.create_alias(AliasName="alias/story", TargetKeyId=arn)

    sealed = kms.encrypt(KeyId="alias/story", Plaintext=b"velvet", EncryptionContext=CONTEXT)
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=CONTEXT)
    data_key = kms.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=CONTEXT)

    assert (sealed["KeyId"], opened["KeyId"], opened["Plaintext"]) == (arn, arn, b"velvet")
    described = kms.describe_key(KeyId="alias/story")["KeyMetadata"]
    assert (described["AWSAccountId"], described["KeyState"]) == (ACCOUNT, "Enabled")
    assert described["Description"] == "codes"
    unwrapped = kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert unwrapped["Plaintext"] == data_key["Plaintext"]
    assert refusal(kms.decrypt, CiphertextBlob=sealed["CiphertextBlob"])[0] == "InvalidCiphertextException"
    assert refusal(kms.decrypt, CiphertextBlob=b"velvet")[0] == "InvalidCiphertextException"
    assert [alias["AliasName"] for alias in kms.list_aliases(KeyId=arn)["Aliases"]] == ["alias/story"]
    assert kms.list_resource_tags(KeyId=arn)["Tags"] == [{"TagKey": "team", "TagValue": "door"}]
    assert kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1}).build_full_result()["Keys"]


def test_what_is_not_supported_is_refused_by_name(kms: Any) -> None:
    arn = new_key(kms)

    assert refusal(kms.create_key, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")[0] == "ValidationException"
    assert "CreateKey.Origin" in refusal(kms.create_key, Origin="EXTERNAL")[1]
    assert refusal(kms.create_key, MultiRegion=True)[0] == "UnsupportedOperationException"
    assert "GrantTokens" in refusal(kms.encrypt, KeyId=arn, Plaintext=b"x", GrantTokens=["t"])[1]
    with pytest.raises(ClientError, match="CreateGrant"):
        kms.create_grant(KeyId=arn, GranteePrincipal=ROOT, Operations=["Decrypt"])
    with pytest.raises(ClientError, match="EnableKeyRotation"):
        kms.enable_key_rotation(KeyId=arn)


@pytest.mark.parametrize("named_by", ["key policy", "identity policy"])
def test_an_identity_policy_counts_only_where_the_key_policy_delegates_to_the_account(
    server: RunningServer, kms: Any, named_by: str
) -> None:
    name = f"reader-{named_by.split(maxsplit=1)[0]}"
    with_identity = named_by == "identity policy"
    reader = aws_client(server, "kms", new_user(server, name, *([everything()] if with_identity else [])))
    delegating = new_key(kms)
    closed = new_key(kms, statement({"AWS": user_arn(name)}, "kms:Encrypt"))

    if with_identity:
        assert reader.encrypt(KeyId=delegating, Plaintext=b"x")
    else:
        assert refusal(reader.encrypt, KeyId=delegating, Plaintext=b"x")[0] == "AccessDeniedException"
    sealed = reader.encrypt(KeyId=closed, Plaintext=b"x")  # the key policy names the user, and needs nobody else
    code, message = refusal(reader.decrypt, CiphertextBlob=sealed["CiphertextBlob"])
    assert code == "AccessDeniedException"
    assert user_arn(name) in message
    assert "kms:Decrypt" in message
    assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == b"x"


OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("kms:CancelKeyDeletion", "cancel_key_deletion", {}),
    ("kms:DescribeKey", "describe_key", {}),
    ("kms:DisableKey", "disable_key", {}),
    ("kms:EnableKey", "enable_key", {}),
    ("kms:Encrypt", "encrypt", {"Plaintext": b"x"}),
    ("kms:GenerateDataKey", "generate_data_key", {"KeySpec": "AES_256"}),
    ("kms:GenerateDataKeyWithoutPlaintext", "generate_data_key_without_plaintext", {"KeySpec": "AES_256"}),
    ("kms:GetKeyPolicy", "get_key_policy", {}),
    ("kms:GetKeyRotationStatus", "get_key_rotation_status", {}),
    ("kms:ListKeyPolicies", "list_key_policies", {}),
    ("kms:ListResourceTags", "list_resource_tags", {}),
    ("kms:PutKeyPolicy", "put_key_policy", {"Policy": policy(statement({"AWS": ROOT}, "kms:*"))}),
    ("kms:ScheduleKeyDeletion", "schedule_key_deletion", {}),
    ("kms:TagResource", "tag_resource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    ("kms:UntagResource", "untag_resource", {"TagKeys": ["a"]}),
    ("kms:UpdateKeyDescription", "update_key_description", {"Description": "d"}),
]


@pytest.fixture(scope="module")
def stranger(server: RunningServer) -> Credentials:
    """A user whose identity policy allows everything of KMS, and whom no key policy names."""
    return new_user(server, "stranger", everything())


@pytest.fixture(scope="module")
def guest(server: RunningServer) -> Credentials:
    """A user without any policy, whom key policies name."""
    return new_user(server, "guest")


def test_each_operation_on_a_key_is_let_in_by_the_key_policy_and_refused_without_it(
    server: RunningServer, kms: Any, stranger: Credentials, guest: Credentials
) -> None:
    outside, inside = aws_client(server, "kms", stranger), aws_client(server, "kms", guest)
    for action, operation, parameters in OPERATIONS:
        arn = new_key(kms, statement({"AWS": user_arn("guest")}, action))
        if operation == "cancel_key_deletion":
            kms.schedule_key_deletion(KeyId=arn)

        code, message = refusal(getattr(outside, operation), KeyId=arn, **parameters)

        assert (code, action in message, arn in message) == ("AccessDeniedException", True, True), operation
        getattr(inside, operation)(KeyId=arn, **parameters)


@pytest.mark.parametrize(
    ("action", "operation"),
    [
        ("kms:CreateKey", "create_key"),
        ("kms:ListKeys", "list_keys"),
        ("kms:ListAliases", "list_aliases"),
        ("kms:GenerateRandom", "generate_random"),
    ],
)
def test_what_is_about_no_key_is_let_in_by_identity_policies_and_refused_without_them(
    server: RunningServer, stranger: Credentials, guest: Credentials, action: str, operation: str
) -> None:
    parameters = {"NumberOfBytes": 8} if operation == "generate_random" else {}

    getattr(aws_client(server, "kms", stranger), operation)(**parameters)

    code, message = refusal(getattr(aws_client(server, "kms", guest), operation), **parameters)
    assert (code, action in message) == ("AccessDeniedException", True)


def test_an_alias_needs_the_right_on_itself_and_on_each_key(server: RunningServer, kms: Any) -> None:
    alias = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/kept"
    of_alias = {"Effect": "Allow", "Action": "kms:*", "Resource": alias}
    keeper = aws_client(server, "kms", new_user(server, "keeper", of_alias))
    theirs = statement({"AWS": user_arn("keeper")}, "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias")
    first, second, closed = new_key(kms, theirs), new_key(kms, theirs), new_key(kms)

    assert refusal(keeper.create_alias, AliasName="alias/kept", TargetKeyId=closed)[0] == "AccessDeniedException"
    assert refusal(keeper.create_alias, AliasName="alias/other", TargetKeyId=first)[0] == "AccessDeniedException"
    keeper.create_alias(AliasName="alias/kept", TargetKeyId=first)
    assert refusal(keeper.update_alias, AliasName="alias/kept", TargetKeyId=closed)[0] == "AccessDeniedException"
    keeper.update_alias(AliasName="alias/kept", TargetKeyId=second)
    kms.put_key_policy(KeyId=second, PolicyName="default", Policy=policy(statement({"AWS": ROOT}, "kms:*")))
    # What the alias names now is asked too.
    assert refusal(keeper.update_alias, AliasName="alias/kept", TargetKeyId=first)[0] == "AccessDeniedException"
    assert refusal(keeper.delete_alias, AliasName="alias/kept")[0] == "AccessDeniedException"
    kms.update_alias(AliasName="alias/kept", TargetKeyId=first)
    keeper.delete_alias(AliasName="alias/kept")


def test_decrypt_is_judged_on_the_key_of_the_ciphertext_whatever_key_the_request_names(
    server: RunningServer, kms: Any, guest: Credentials
) -> None:
    mine = new_key(kms, statement({"AWS": user_arn("guest")}, "kms:Decrypt"))
    other = new_key(kms, statement({"AWS": ROOT}, "kms:Decrypt"))
    inside = aws_client(server, "kms", guest)
    sealed, foreign = (kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"] for arn in (mine, other))

    assert inside.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    code, message = refusal(inside.decrypt, CiphertextBlob=foreign, KeyId=mine)
    assert (code, other in message) == ("AccessDeniedException", True)
    assert refusal(kms.decrypt, CiphertextBlob=foreign, KeyId=mine)[0] == "IncorrectKeyException"


@pytest.mark.parametrize(
    ("condition", "good", "bad"),
    [
        (
            {"StringEquals": {"kms:EncryptionContext:userpool-id": "us-west-2_door"}},
            {"EncryptionContext": CONTEXT},
            {"EncryptionContext": {"userpool-id": "us-west-2_other"}},
        ),
        (
            {"StringEquals": {"kms:EncryptionContext:UserPool-Id": "us-west-2_door"}},
            {"EncryptionContext": CONTEXT},
            {},
        ),
        (
            {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["userpool-id"]}},
            {"EncryptionContext": CONTEXT},
            {"EncryptionContext": {**CONTEXT, "more": "x"}},
        ),
        ({"StringEquals": {"kms:CallerAccount": ACCOUNT}}, {}, None),
        ({"StringEquals": {"kms:CallerAccount": "000000000000"}}, None, {}),
        ({"StringEquals": {"kms:ViaService": f"cognito-idp.{REGION}.amazonaws.com"}}, None, {}),
        ({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}}, {}, None),
        ({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/x"}}, None, {}),
        ({"StringEquals": {"aws:ResourceTag/team": "door"}}, {}, None),
        ({"StringEquals": {"aws:ResourceTag/team": "bar"}}, None, {}),
    ],
)
def test_conditions_of_a_key_policy_are_held_against_the_call(
    server: RunningServer,
    kms: Any,
    guest: Credentials,
    condition: dict[str, Any],
    good: dict[str, Any] | None,
    bad: dict[str, Any] | None,
) -> None:
    allowed = statement({"AWS": user_arn("guest")}, "kms:Encrypt", Condition=condition)
    arn = new_key(kms, allowed, Tags=[{"TagKey": "team", "TagValue": "door"}])
    inside = aws_client(server, "kms", guest)

    if good is not None:
        inside.encrypt(KeyId=arn, Plaintext=b"x", **good)
    if bad is not None:
        assert refusal(inside.encrypt, KeyId=arn, Plaintext=b"x", **bad)[0] == "AccessDeniedException"


def test_an_explicit_deny_of_the_key_policy_wins_and_the_alias_in_the_request_is_seen(
    server: RunningServer, kms: Any, stranger: Credentials
) -> None:
    by_alias = {"StringEquals": {"kms:RequestAlias": "alias/denied"}}
    denying = statement("*", "kms:Encrypt", Effect="Deny", Condition=by_alias)
    arn = str(kms.create_key(Policy=policy(statement({"AWS": ROOT}, "kms:*"), denying))["KeyMetadata"]["Arn"])
    kms.create_alias(AliasName="alias/denied", TargetKeyId=arn)
    inside = aws_client(server, "kms", stranger)

    inside.encrypt(KeyId=arn, Plaintext=b"x")
    assert "explicit deny" in refusal(inside.encrypt, KeyId="alias/denied", Plaintext=b"x")[1]
    assert refusal(kms.encrypt, KeyId="alias/denied", Plaintext=b"x")[0] == "AccessDeniedException"


def test_whether_a_key_exists_is_told_only_to_who_may_ask_for_it(
    server: RunningServer, stranger: Credentials, guest: Credentials
) -> None:
    nowhere = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-4333-8444-555555555555"

    assert refusal(aws_client(server, "kms", stranger).describe_key, KeyId=nowhere)[0] == "NotFoundException"
    for name in (nowhere, "alias/none", "nothing"):
        code, _ = refusal(aws_client(server, "kms", guest).describe_key, KeyId=name)
        assert code == "AccessDeniedException"


def test_a_user_who_is_made_again_under_the_same_name_inherits_no_key(server: RunningServer, kms: Any) -> None:
    new_user(server, "leaver")
    arn = new_key(kms, statement({"AWS": user_arn("leaver")}, "kms:Encrypt"))
    iam = aws_client(server, "iam")
    for key in iam.list_access_keys(UserName="leaver")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="leaver", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="leaver")

    newcomer = aws_client(server, "kms", new_user(server, "leaver"))

    assert refusal(newcomer.encrypt, KeyId=arn, Plaintext=b"x")[0] == "AccessDeniedException"
    assert user_arn("leaver") not in kms.get_key_policy(KeyId=arn)["Policy"]


def test_an_alias_that_moves_while_it_is_used_lets_nobody_use_a_key_that_is_not_theirs(
    server: RunningServer, kms: Any
) -> None:
    racer = aws_client(server, "kms", new_user(server, "racer"))
    theirs = new_key(kms, statement({"AWS": user_arn("racer")}, "kms:Encrypt"))
    others = new_key(kms)
    kms.create_alias(AliasName="alias/moving", TargetKeyId=theirs)
    done = threading.Event()

    def move() -> None:
        while not done.is_set():
            for key in (others, theirs):
                kms.update_alias(AliasName="alias/moving", TargetKeyId=key)

    def encrypt(_number: int) -> str:
        try:
            return str(racer.encrypt(KeyId="alias/moving", Plaintext=b"x")["KeyId"])
        except ClientError as refused:
            return str(refused.response["Error"]["Code"])

    with ThreadPoolExecutor(5) as threads:
        moving = threads.submit(move)
        found = set(threads.map(encrypt, range(200)))
        done.set()
        moving.result()

    assert found <= {theirs, "AccessDeniedException"}
    assert encrypt(0) == theirs, "the last move was to their own key"

"""Custom senders: a pool's function gets each message in place of us, its code readable with the pool's key only."""

import json
from base64 import b64decode
from functools import cache
from io import BytesIO
from typing import Any

import aws_encryption_sdk
import boto3
import pytest
from aws_encryption_sdk.identifiers import CommitmentPolicy
from aws_encryption_sdk.internal.formatting.deserialize import deserialize_header
from aws_encryption_sdk.key_providers.kms import KMSMasterKey, KMSMasterKeyConfig

from support.userpools import ACCOUNT, PASSWORD, REGION, World, attribute_list
from velvetrope.errors import ServiceError
from velvetrope.kms.ciphertexts import key_id_of
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import Principal
from velvetrope.store.tables.userpools import LambdaConfig, SmsConfiguration, VersionedTrigger
from velvetrope.userpools.errors import InvalidParameterException
from velvetrope.userpools.factors.mfa_operations import MfaSettings
from velvetrope.userpools.shapes import SignInPolicy, UserAttributeUpdateSettings, UserPoolPolicies

SENDER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:sender"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
ROOT = Principal("Account", ACCOUNT, ROOT_ARN, ROOT_ARN, ACCOUNT)
SMS = SmsConfiguration(sns_caller_arn=f"arn:aws:iam::{ACCOUNT}:role/sms")
ANNA = {"email": "anna@example.com", "email_verified": "true"}


class NotPermitted(ServiceError):
    """The function's policy does not let the pool invoke it."""

    code = "AccessDeniedException"


async def kms(world: World, operation: str, **parameters: Any) -> Any:
    call = Call(ROOT, ACCOUNT, REGION, "r", world.now)
    for owner in world.kms.operations:
        if operation in implemented_operations(owner):
            return await implemented_operations(owner)[operation](call, **parameters)
    raise LookupError(operation)


async def new_key(world: World) -> str:
    return str((await kms(world, "create_key"))["key_metadata"]["arn"])


def senders(key_arn: str | None, version: str = "V1_0", **more: Any) -> LambdaConfig:
    """Both media by one function."""
    sender = VersionedTrigger(lambda_version=version, lambda_arn=SENDER)
    return LambdaConfig(custom_email_sender=sender, custom_sms_sender=sender, kms_key_id=key_arn, **more)


async def pool(world: World, **settings: Any) -> str:
    lambda_config = settings.pop("lambda_config", None) or senders(await new_key(world))
    return await world.pool(lambda_config=lambda_config, **settings)


async def taken(world: World) -> list[dict[str, Any]]:
    """What the function has been given, all that was due included."""
    await world.pools.deliveries.send_due()
    return world.functions.taken


@cache
def kms_client() -> Any:
    """The SDK insists on one of boto3's."""
    secrets = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    return boto3.client("kms", region_name=REGION, endpoint_url="http://localhost:9", **secrets)


async def code_of(world: World, event: dict[str, Any]) -> str:
    """The code, as the Encryption SDK reads it with the pool's key."""
    message = b64decode(event["request"]["code"], validate=True)
    key = await read_data_key(world, message)
    client, keys = (
        aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT),
        kms_client(),
    )
    keys.decrypt = lambda **asked: {"Plaintext": key["plaintext"], "KeyId": asked["KeyId"]}
    plaintext, header = client.decrypt(
        source=message, key_provider=KMSMasterKey(config=KMSMasterKeyConfig(key_id=key["key_id"], client=keys))
    )
    assert header.encryption_context["userpool-id"] == event["userPoolId"]
    return bytes(plaintext).decode()


async def read_data_key(world: World, message: bytes) -> Any:
    """Our KMS's answer on the message's data key, under the message's own context."""
    header = deserialize_header(BytesIO(message))[0]
    [encrypted] = header.encrypted_data_keys
    blob = encrypted.encrypted_data_key
    assert encrypted.key_provider.key_info.decode().endswith(key_id_of(blob))
    return await kms(world, "decrypt", ciphertext_blob=blob, encryption_context=dict(header.encryption_context))


async def test_a_sign_up_s_code_goes_to_the_function_encrypted_and_confirms(world: World) -> None:
    pool_id = await pool(world, auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)

    await world.sign_up(
        client_id=client_id,
        username="anna",
        password=PASSWORD,
        user_attributes=attribute_list(email="anna@example.com"),
        client_metadata={"lang": "de"},
    )
    [event] = await taken(world)
    code = await code_of(world, event)
    await world.confirm_sign_up(client_id=client_id, username="anna", confirmation_code=code)

    assert {name: event[name] for name in ("version", "triggerSource", "region", "userPoolId", "userName")} == {
        "version": "1",
        "triggerSource": "CustomEmailSender_SignUp",
        "region": REGION,
        "userPoolId": pool_id,
        "userName": "anna",
    }
    assert event["callerContext"]["clientId"] == client_id
    request = event["request"]
    assert set(request) == {"type", "code", "clientMetadata", "userAttributes"}
    assert (request["type"], request["clientMetadata"]) == ("customEmailSenderRequestV1", {"lang": "de"})
    assert request["userAttributes"]["email"] == "anna@example.com"
    assert request["userAttributes"]["cognito:user_status"] == "UNCONFIRMED"
    assert world.functions.calls == [
        (SENDER, "cognito-idp.amazonaws.com", f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool_id}")
    ]
    assert code not in json.dumps(event)


async def test_not_even_the_owner_s_mailbox_shows_what_the_function_sends(world: World) -> None:
    pool_id = await pool(world)
    await world.admin_create_user(
        user_pool_id=pool_id,
        username="anna",
        temporary_password="Temporary-1!",
        user_attributes=attribute_list(**ANNA),
        desired_delivery_mediums=("EMAIL",),
    )

    [before] = await world.pools.deliveries.mailbox(limit=9)
    [event] = await taken(world)
    [after] = await world.pools.deliveries.mailbox(limit=9)

    assert await code_of(world, event) == "Temporary-1!"
    assert event["triggerSource"] == "CustomEmailSender_AdminCreateUser"
    assert event["callerContext"]["clientId"] == "CLIENT_ID_NOT_APPLICABLE"
    assert (before.state, after.state, after.message.to) == ("being sent", "sent", "anna@example.com")
    assert SENDER in after.message.text
    assert "Temporary-1!" not in f"{before} {after} {before.message.text} {after.message.text}"


async def test_every_message_of_a_pool_goes_to_its_function(world: World) -> None:
    pool_id = await pool(
        world,
        auto_verified_attributes=("email", "phone_number"),
        user_attribute_update_settings=UserAttributeUpdateSettings(
            attributes_require_verification_before_update=("email",)
        ),
        policies=UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP"))),
        sms_configuration=SMS,
    )
    client_id = await world.client(
        pool_id, explicit_auth_flows=("ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
    )
    await world.sign_up(
        client_id=client_id,
        username="berta",
        password=PASSWORD,
        user_attributes=attribute_list(phone_number="+15550100"),
    )
    await world.resend_confirmation_code(client_id=client_id, username="berta")
    await world.user(pool_id, **ANNA)
    await world.forgot_password(client_id=client_id, username="anna")
    token = (await world.sign_in(client_id))["access_token"]
    await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email="new@example.com"))
    await world.get_user_attribute_verification_code(access_token=token, attribute_name="email")
    await world.initiate_auth(
        auth_flow="USER_AUTH",
        client_id=client_id,
        auth_parameters={"USERNAME": "anna", "PREFERRED_CHALLENGE": "EMAIL_OTP"},
    )

    events = {event["triggerSource"]: event for event in await taken(world)}

    assert set(events) == {
        "CustomSMSSender_SignUp",
        "CustomSMSSender_ResendCode",
        "CustomEmailSender_ForgotPassword",
        "CustomEmailSender_UpdateUserAttribute",
        "CustomEmailSender_VerifyUserAttribute",
        "CustomEmailSender_Authentication",
    }
    assert events["CustomSMSSender_SignUp"]["request"]["type"] == "customSMSSenderRequestV1"
    # The function knows no other place to send a code to than the attributes that it is given.
    update = events["CustomEmailSender_UpdateUserAttribute"]
    assert update["request"]["userAttributes"]["email"] == "new@example.com"
    await world.verify_user_attribute(
        access_token=token,
        attribute_name="email",
        code=await code_of(world, events["CustomEmailSender_VerifyUserAttribute"]),
    )
    assert world.functions.events == []


async def test_an_sms_code_of_mfa_goes_to_the_sms_sender(world: World) -> None:
    pool_id = await pool(world, mfa_configuration="OPTIONAL", sms_configuration=SMS)
    client_id = await world.client(pool_id)
    await world.user(pool_id, phone_number="+15550100", phone_number_verified="true")
    await world.admin_set_user_mfa_preference(
        user_pool_id=pool_id, username="anna", sms_mfa_settings=MfaSettings(enabled=True, preferred_mfa=True)
    )

    challenge = await world.sign_in(client_id)
    [event] = await taken(world)
    answer = await world.respond_to_auth_challenge(
        client_id=client_id,
        challenge_name="SMS_MFA",
        session=challenge["session"],
        challenge_responses={"USERNAME": "anna", "SMS_MFA_CODE": await code_of(world, event)},
    )

    assert event["triggerSource"] == "CustomSMSSender_Authentication"
    assert "access_token" in answer["authentication_result"]


async def test_where_a_function_sends_nobody_asks_for_words_and_links_are_codes(world: World) -> None:
    words = world.functions.answers("words", emailMessage="without the code")
    config = senders(await new_key(world), custom_message=words)
    pool_id = await pool(world, lambda_config=config, auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)

    await world.sign_up(
        client_id=client_id,
        username="anna",
        password=PASSWORD,
        user_attributes=attribute_list(email="anna@example.com"),
    )

    [event] = await taken(world)
    assert world.functions.events == []
    assert len(await code_of(world, event)) == 6


async def test_who_is_not_there_gets_no_event(world: World) -> None:
    pool_id = await pool(world)
    client_id = await world.client(pool_id)

    await world.forgot_password(client_id=client_id, username="nobody")

    assert await taken(world) == []


@pytest.mark.parametrize("stops", ["function", "disabled key", "deleted key", "key policy"])
async def test_a_sender_that_cannot_be_reached_fails_no_sign_up_and_is_tried_again(world: World, stops: str) -> None:
    key_arn = await new_key(world)
    pool_id = await pool(world, lambda_config=senders(key_arn), auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)
    if stops == "function":
        world.functions.takes_no_events = NotPermitted("no right to invoke it")
    elif stops == "key policy":
        root = {"Effect": "Allow", "Principal": {"AWS": ROOT_ARN}, "Action": "kms:*", "Resource": "*"}
        context = {"StringEquals": {"kms:EncryptionContext:userpool-id": pool_id}}
        cognito = {"Service": "cognito-idp.amazonaws.com"}
        denied = {**root, "Effect": "Deny", "Principal": cognito, "Action": "kms:GenerateDataKey", "Condition": context}
        document = json.dumps({"Version": "2012-10-17", "Statement": [root, denied]})
        await kms(world, "put_key_policy", key_id=key_arn, policy=document)
    else:
        operation = "disable_key" if stops == "disabled key" else "schedule_key_deletion"
        await kms(world, operation, key_id=key_arn)

    answer = await world.sign_up(
        client_id=client_id,
        username="anna",
        password=PASSWORD,
        user_attributes=attribute_list(email="anna@example.com"),
    )

    assert answer["user_confirmed"] is False
    assert await taken(world) == []
    [entry] = await world.pools.deliveries.mailbox(limit=9)
    assert (entry.state, bool(entry.problem)) == ("not sent", True)
    if stops == "function":
        world.functions.takes_no_events = None
        world.later(seconds=30)
        assert len(await taken(world)) == 1


@pytest.mark.parametrize(
    ("version", "key", "text"),
    [
        ("V2_0", "usable", "LambdaVersion V2_0"),
        ("V1_0", None, "requires LambdaConfig.KMSKeyID"),
        ("V1_0", "missing", "does not exist"),
        ("V1_0", "disabled", "is disabled"),
        ("V1_0", "alias", "does not exist"),
    ],
)
async def test_a_custom_sender_needs_a_key_that_can_be_used(
    world: World, version: str, key: str | None, text: str
) -> None:
    key_arn = await new_key(world)
    if key == "disabled":
        await kms(world, "disable_key", key_id=key_arn)
    elif key == "alias":
        await kms(world, "create_alias", alias_name="alias/codes", target_key_id=key_arn)
    given = {
        None: None,
        "missing": key_arn[:-1] + ("0" if key_arn[-1] != "0" else "1"),
        "alias": f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/codes",
    }.get(key, key_arn)
    pool_id = await world.pool()

    with pytest.raises(InvalidParameterException, match=text):
        await world.pool(lambda_config=senders(given, version))
    with pytest.raises(InvalidParameterException, match=text):
        await world.update_user_pool(user_pool_id=pool_id, lambda_config=senders(given, version))


async def test_a_pool_shows_its_senders_and_key_and_sends_itself_again_without_them(world: World) -> None:
    key_arn = await new_key(world)
    pool_id = await pool(world, lambda_config=senders(key_arn))

    shown = (await world.describe_user_pool(user_pool_id=pool_id))["user_pool"]["lambda_config"]
    await world.update_user_pool(user_pool_id=pool_id)
    await world.user(pool_id, **ANNA)
    client_id = await world.client(pool_id)
    await world.forgot_password(client_id=client_id, username="anna")

    sender = {"lambda_version": "V1_0", "lambda_arn": SENDER}
    assert shown == {"custom_email_sender": sender, "custom_sms_sender": sender, "kms_key_id": key_arn}
    assert await taken(world) == []
    [entry] = await world.pools.deliveries.mailbox(limit=9)
    assert entry.state == "kept here"

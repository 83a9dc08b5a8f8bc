"""Custom senders on a real server: a function of ours reads the code with the unmodified AWS Encryption SDK.

The function calls our KMS with its execution role. It sends on what it has read through a queue, where we take it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.clients import aws_client, new_user
from support.running import RunningServer
from support.zips import make_zip

ACCOUNT, REGION = "123456789012", "us-west-2"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sender"

SENDER = """
import base64, json, os
import aws_encryption_sdk, boto3
from aws_encryption_sdk import CommitmentPolicy, StrictAwsKmsMasterKeyProvider

client = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT)
keys = StrictAwsKmsMasterKeyProvider(key_ids=[os.environ["KEY"]])

def handler(event, context):
    code, header = client.decrypt(source=base64.b64decode(event["request"]["code"]), key_provider=keys)
    told = {
        "to": event["request"]["userAttributes"]["email"],
        "code": code.decode(),
        "source": event["triggerSource"],
        "context": header.encryption_context["userpool-id"],
    }
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(told))
"""


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


DELEGATING = allow("kms:*", "*", Principal={"AWS": ROOT})
ROOT_ONLY = {**DELEGATING, "Condition": {"ArnEquals": {"aws:PrincipalArn": ROOT}}}


@dataclass
class House:
    """A pool whose mails a function sends, and what that needs."""

    server: RunningServer
    key: str
    queue: str
    function: str
    pool: str
    client: str

    def aws(self, service: str) -> Any:
        return aws_client(self.server, service)

    def role_may(self, *statements: dict[str, Any]) -> None:
        document = policy(allow("sqs:SendMessage", "*"), *statements)
        self.aws("iam").put_role_policy(RoleName="sender", PolicyName="own", PolicyDocument=document)

    def key_policy(self, *statements: dict[str, Any]) -> None:
        self.aws("kms").put_key_policy(KeyId=self.key, Policy=policy(*statements))

    def sign_up(self, name: str) -> Any:
        attributes = [{"Name": "email", "Value": f"{name}@example.com"}]
        return self.aws("cognito-idp").sign_up(
            ClientId=self.client, Username=name, Password="Correct-horse-1", UserAttributes=attributes
        )

    def told(self) -> dict[str, str]:
        """What the function has read next."""
        sqs = self.aws("sqs")
        while not (found := sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=20).get("Messages")):
            assert self.server.process.poll() is None
        sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=found[0]["ReceiptHandle"])
        return dict(json.loads(found[0]["Body"]))

    def tells(self, *words: str) -> None:
        """Wait until one line of the owner's terminal has all these words."""
        while not any(all(word in line for word in words) for line in self.server.text.split("\n\n")):
            assert self.server.process.poll() is None


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with RunningServer("serve", state_folder=tmp_path_factory.mktemp("senders") / "state") as server:
        kms, iam, functions = (aws_client(server, name) for name in ("kms", "iam", "lambda"))
        key = kms.create_key()["KeyMetadata"]["Arn"]
        queue = aws_client(server, "sqs").create_queue(QueueName="told")["QueueUrl"]
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName="sender", AssumeRolePolicyDocument=policy(trust))
        function = functions.create_function(
            FunctionName="sender",
            Role=ROLE,
            Runtime="python3.12",
            Handler="main.handler",
            Code={"ZipFile": make_zip({"main.py": SENDER})},
            Timeout=60,
            MemorySize=512,
            Environment={"Variables": {"KEY": key, "QUEUE": queue}},
        )["FunctionArn"]
        # One try for each event, so that a refusal is one refusal.
        functions.put_function_event_invoke_config(FunctionName="sender", MaximumRetryAttempts=0)
        functions.add_permission(
            FunctionName="sender",
            StatementId="pool",
            Action="lambda:InvokeFunction",
            Principal="cognito-idp.amazonaws.com",
            SourceAccount=ACCOUNT,
        )
        sender = {"LambdaVersion": "V1_0", "LambdaArn": function}
        pools = aws_client(server, "cognito-idp")
        pool = pools.create_user_pool(
            PoolName="people",
            AutoVerifiedAttributes=["email"],
            LambdaConfig={"CustomEmailSender": sender, "KMSKeyID": key},
        )["UserPool"]["Id"]
        client = pools.create_user_pool_client(UserPoolId=pool, ClientName="app")["UserPoolClient"]["ClientId"]
        yield House(server, key, queue, function, pool, client)


def test_the_function_reads_the_code_with_its_role_and_the_code_confirms(house: House) -> None:
    house.role_may(allow("kms:Decrypt", house.key))

    house.sign_up("anna")
    told = house.told()
    house.aws("cognito-idp").confirm_sign_up(ClientId=house.client, Username="anna", ConfirmationCode=told["code"])

    assert (told["to"], told["source"]) == ("anna@example.com", "CustomEmailSender_SignUp")
    assert told["context"] == house.pool
    assert told["code"] not in house.server.text


def test_a_role_without_decrypt_reads_nothing_and_the_sign_up_stands(house: House) -> None:
    house.role_may()

    answer = house.sign_up("berta")

    house.tells("kms:Decrypt", "identity")
    assert answer["UserConfirmed"] is False
    house.role_may(allow("kms:Decrypt", house.key))
    house.aws("cognito-idp").resend_confirmation_code(ClientId=house.client, Username="berta")
    assert house.told()["source"] == "CustomEmailSender_ResendCode"


def test_a_key_policy_that_does_not_let_the_role_in_is_stronger_than_the_role_s_own_policy(house: House) -> None:
    house.role_may(allow("kms:*", "*"))
    house.key_policy(ROOT_ONLY)

    house.sign_up("clara")
    house.tells("kms:Decrypt", "resource")

    house.key_policy(ROOT_ONLY, allow("kms:Decrypt", "*", Principal={"AWS": ROLE}))
    house.role_may()
    house.aws("cognito-idp").resend_confirmation_code(ClientId=house.client, Username="clara")
    assert house.told()["to"] == "clara@example.com"
    house.key_policy(DELEGATING)


def test_naming_a_key_in_a_pool_needs_the_right_to_grant_it(house: House) -> None:
    granted = allow("kms:CreateGrant", house.key, Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})
    making = allow("cognito-idp:CreateUserPool", "*")
    config = {
        "CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": house.function},
        "KMSKeyID": house.key,
    }
    without = aws_client(house.server, "cognito-idp", new_user(house.server, "maker", making))
    directly = allow("kms:CreateGrant", house.key, Condition={"Null": {"kms:ViaService": "true"}})
    by_hand = aws_client(house.server, "cognito-idp", new_user(house.server, "by-hand", making, directly))
    with_it = aws_client(house.server, "cognito-idp", new_user(house.server, "keeper", making, granted))

    for refused in (without, by_hand):
        with pytest.raises(ClientError, match="kms:CreateGrant") as caught:
            refused.create_user_pool(PoolName="theirs", LambdaConfig=config)
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert without.create_user_pool(PoolName="theirs")
    shown = with_it.create_user_pool(PoolName="theirs", LambdaConfig=config)["UserPool"]["LambdaConfig"]
    assert shown == config

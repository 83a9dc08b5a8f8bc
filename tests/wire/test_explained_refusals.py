"""What the owner is told of a refusal: who had to allow it, what a statement asks for, and what was there instead."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from support.clients import aws_client, explained, new_user
from support.running import ROOT_KEY, RunningServer

QUEUES = {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:us-west-2:123456789012:mine"}
KEYS = {
    "Effect": "Allow",
    "Action": "kms:ListKeys",
    "Resource": "*",
    "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
}


def why(server: RunningServer, call: Callable[[], object]) -> str:
    """The reason of the step that refused the call, as `velvetrope explain` tells it."""
    with pytest.raises(ClientError) as refusal:
        call()
    return str(explained(server, refusal.value.response["ResponseMetadata"]["RequestId"])["steps"][-1]["reason"])


def caller(server: RunningServer, key_id: str, secret: str, region: str | None = None) -> Any:
    return boto3.client(
        "sts",
        endpoint_url=server.url,
        region_name=region or server.config["region"],
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}),
    )


def test_only_statements_that_speak_of_the_action_are_told_with_what_they_ask_for(serving: RunningServer) -> None:
    user = new_user(serving, "explained", QUEUES, KEYS)

    elsewhere = why(serving, lambda: aws_client(serving, "sqs", user).create_queue(QueueName="theirs"))
    from_here = why(serving, lambda: aws_client(serving, "kms", user).list_keys())
    unheard_of = why(serving, lambda: aws_client(serving, "iam", user).list_users())

    assert elsewhere.endswith(
        "(nothing allows it: a policy of the caller's user, group or role has to; identity policy user explained "
        "inline given: nothing matches (statement 1: its Resource is arn:aws:sqs:us-west-2:123456789012:mine))"
    )
    assert "statement 2: its condition IpAddress aws:sourceip asks for 192.0.2.0/24, and it is " in from_here
    assert "statement 1" not in from_here
    assert "identity policy user explained inline given: no statement allows iam:ListUsers on anything" in unheard_of


def test_a_key_that_is_not_known_is_told_from_one_that_lacks_its_token(serving: RunningServer) -> None:
    user = new_user(serving, "switched-off")
    aws_client(serving, "iam").update_access_key(
        UserName="switched-off", AccessKeyId=user.access_key, Status="Inactive"
    )

    for key_id, says in (
        (user.access_key, f"there is no access key {user.access_key} here, or it is inactive"),
        ("ASIAABCDEFGHIJKLMNOP", "the temporary key ASIAABCDEFGHIJKLMNOP came without its session token"),
        (user.secret_key, "what was given as access key id does not look like one"),
    ):
        reason = why(serving, caller(serving, key_id, user.secret_key).get_caller_identity)
        assert says in reason
        assert user.secret_key not in reason


def test_a_call_that_is_signed_for_another_region_hears_which_one_this_is(serving: RunningServer) -> None:
    reason = why(serving, caller(serving, *ROOT_KEY, region="eu-west-1").get_caller_identity)

    assert reason.endswith("(this server's region is us-west-2)")

"""Queues as wholes: what can be set, what is refused, and how they are found again."""

import json
from typing import Any

import pytest

from support.queues import ACCOUNT, URL, Sqs, queue_arn
from velvetrope.sqs.errors import (
    InvalidAddress,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidParameterValueException,
    PurgeQueueInProgress,
    QueueDoesNotExist,
    QueueNameExists,
)


async def attributes(sqs: Sqs, url: str, *names: str) -> dict[str, str]:
    answer = await sqs.operate("get_queue_attributes", queue_url=url, attribute_names=list(names) or ["All"])
    return dict(answer["attributes"] or {})


def redrive(target: str, count: object = 2) -> str:
    return json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": count})


async def test_a_queue_has_aws_s_defaults(sqs: Sqs) -> None:
    url = await sqs.create("orders")

    assert url == f"{URL}/{ACCOUNT}/orders"
    assert await attributes(sqs, url) == {
        "QueueArn": queue_arn("orders"),
        "CreatedTimestamp": "1767225600",
        "LastModifiedTimestamp": "1767225600",
        "DelaySeconds": "0",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "VisibilityTimeout": "30",
        "SqsManagedSseEnabled": "true",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
    }


async def test_creating_it_again_answers_its_url_and_with_other_attributes_is_refused(sqs: Sqs) -> None:
    url = await sqs.create("orders", VisibilityTimeout="60")

    assert await sqs.create("orders", VisibilityTimeout="60") == url
    assert await sqs.create("orders") == url
    with pytest.raises(QueueNameExists, match="VisibilityTimeout"):
        await sqs.create("orders", VisibilityTimeout="61")
    assert (await attributes(sqs, url, "VisibilityTimeout")) == {"VisibilityTimeout": "60"}


@pytest.mark.parametrize(
    ("name", "smallest", "largest"),
    [
        ("DelaySeconds", 0, 900),
        ("MaximumMessageSize", 1024, 1_048_576),
        ("MessageRetentionPeriod", 60, 1_209_600),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
        ("VisibilityTimeout", 0, 43_200),
    ],
)
async def test_numbers_have_their_bounds(sqs: Sqs, name: str, smallest: int, largest: int) -> None:
    for number, value in enumerate((smallest, largest)):
        url = await sqs.create(f"{name}-{number}", **{name: str(value)})
        assert await attributes(sqs, url, name) == {name: str(value)}
    for refused in (str(smallest - 1), str(largest + 1), "many", "", "1.5", "٣"):
        with pytest.raises(InvalidAttributeValue, match=name):
            await sqs.create("refused", **{name: refused})


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("Colour", "red", InvalidAttributeName),
        ("QueueArn", "arn:aws:sqs:us-west-2:000000000000:x", InvalidAttributeName),
        ("ContentBasedDeduplication", "true", InvalidAttributeName),
        ("DeduplicationScope", "queue", InvalidAttributeName),
        ("KmsMasterKeyId", "alias/aws/sqs", InvalidAttributeValue),
        ("SqsManagedSseEnabled", "perhaps", InvalidAttributeValue),
        ("Policy", "{", InvalidAttributeValue),
        ("Policy", '{"Version":"2012-10-17","Statement":[{"Effect":"Maybe"}]}', InvalidAttributeValue),
        ("RedrivePolicy", "[]", InvalidParameterValueException),
        ("RedrivePolicy", '{"deadLetterTargetArn":"nowhere","maxReceiveCount":1}', InvalidParameterValueException),
        ("RedrivePolicy", redrive(queue_arn("letters"), 0), InvalidParameterValueException),
        ("RedrivePolicy", redrive(queue_arn("letters"), 1001), InvalidParameterValueException),
        ("RedrivePolicy", redrive(queue_arn("letters"), True), InvalidParameterValueException),
        ("RedrivePolicy", redrive(queue_arn("nobody's"), 1), InvalidParameterValueException),
        ("RedriveAllowPolicy", '{"redrivePermission":"some"}', InvalidParameterValueException),
        ("RedriveAllowPolicy", '{"redrivePermission":"byQueue"}', InvalidParameterValueException),
        ("RedriveAllowPolicy", '{"redrivePermission":"allowAll","colour":"red"}', InvalidParameterValueException),
    ],
)
async def test_what_cannot_be_set_is_refused(sqs: Sqs, name: str, value: str, error: type[Exception]) -> None:
    await sqs.create("letters")
    url = await sqs.create("orders")

    with pytest.raises(error):
        await sqs.create("refused", **{name: value})
    with pytest.raises(error):
        await sqs.operate("set_queue_attributes", queue_url=url, attributes={name: value})

    with pytest.raises(QueueDoesNotExist):
        await sqs.operate("get_queue_url", queue_name="refused")


@pytest.mark.parametrize("name", ["", "a" * 81, "white space", "orders.fifo", "ordérs", "a/b"])
async def test_a_standard_queue_s_name_is_checked(sqs: Sqs, name: str) -> None:
    with pytest.raises(InvalidParameterValueException):
        await sqs.create(name)


async def test_a_fifo_queue_s_name_ends_in_fifo_and_its_kind_does_not_change(sqs: Sqs) -> None:
    url = await sqs.create("orders.fifo", FifoQueue="true", ContentBasedDeduplication="true")

    shown = await attributes(sqs, url, "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope")
    assert shown == {"FifoQueue": "true", "ContentBasedDeduplication": "true", "DeduplicationScope": "queue"}
    with pytest.raises(InvalidParameterValueException):
        await sqs.create("orders", FifoQueue="true")
    with pytest.raises(InvalidAttributeValue):
        await sqs.operate("set_queue_attributes", queue_url=url, attributes={"FifoQueue": "false"})
    with pytest.raises(InvalidAttributeValue, match="DeduplicationScope"):
        await sqs.operate(
            "set_queue_attributes", queue_url=url, attributes={"FifoThroughputLimit": "perMessageGroupId"}
        )


async def test_the_dead_letter_queue_must_be_of_the_same_kind_and_allow_it(sqs: Sqs) -> None:
    letters = await sqs.create("letters")
    await sqs.create("letters.fifo", FifoQueue="true")

    with pytest.raises(InvalidParameterValueException, match="same type"):
        await sqs.create("orders", RedrivePolicy=redrive(queue_arn("letters.fifo")))

    async def allow(**document: Any) -> None:
        text = json.dumps(document)
        await sqs.operate("set_queue_attributes", queue_url=letters, attributes={"RedriveAllowPolicy": text})

    await allow(redrivePermission="denyAll")
    with pytest.raises(InvalidParameterValueException, match="does not allow"):
        await sqs.create("orders", RedrivePolicy=redrive(queue_arn("letters")))
    await allow(redrivePermission="byQueue", sourceQueueArns=[queue_arn("other")])
    with pytest.raises(InvalidParameterValueException, match="does not allow"):
        await sqs.create("orders", RedrivePolicy=redrive(queue_arn("letters")))
    await allow(redrivePermission="byQueue", sourceQueueArns=[queue_arn("orders")])
    orders = await sqs.create("orders", RedrivePolicy=redrive(queue_arn("letters"), "3"))

    sources = await sqs.operate("list_dead_letter_source_queues", queue_url=letters)
    assert sources["queue_urls"] == [orders]
    await sqs.operate("set_queue_attributes", queue_url=orders, attributes={"RedrivePolicy": ""})
    sources = await sqs.operate("list_dead_letter_source_queues", queue_url=letters)
    assert sources["queue_urls"] == []


async def test_queues_are_listed_by_prefix_and_in_pages(sqs: Sqs) -> None:
    urls = [await sqs.create(name) for name in ("orders-1", "orders-2", "orders-3", "stock")]

    everything = await sqs.operate("list_queues")
    first = await sqs.operate("list_queues", queue_name_prefix="orders", max_results=2)
    second = await sqs.operate("list_queues", queue_name_prefix="orders", max_results=2, next_token=first["next_token"])

    assert everything == {"queue_urls": urls, "next_token": None}
    assert first["queue_urls"] + second["queue_urls"] == urls[:3]
    assert second["next_token"] is None
    assert (await sqs.operate("list_queues", queue_name_prefix="_"))["queue_urls"] is None
    with pytest.raises(InvalidParameterValueException):
        await sqs.operate("list_queues", max_results=0)
    with pytest.raises(InvalidParameterValueException):
        await sqs.operate("list_queues", next_token="?")


async def test_tags_come_and_go(sqs: Sqs) -> None:
    answer = await sqs.operate("create_queue", queue_name="orders", tags={"team": "shop"})
    url = answer["queue_url"]

    await sqs.operate("tag_queue", queue_url=url, tags={"stage": "dev"})
    assert (await sqs.operate("list_queue_tags", queue_url=url))["tags"] == {"team": "shop", "stage": "dev"}
    await sqs.operate("untag_queue", queue_url=url, tag_keys=["team"])
    assert (await sqs.operate("list_queue_tags", queue_url=url))["tags"] == {"stage": "dev"}
    with pytest.raises(InvalidParameterValueException, match=r"^Too many tags added for queue orders\.$"):
        await sqs.operate("tag_queue", queue_url=url, tags={f"t{n}": "" for n in range(50)})
    with pytest.raises(InvalidParameterValueException):
        await sqs.operate("tag_queue", queue_url=url, tags={"aws:mine": ""})


async def test_permissions_become_statements_of_the_policy(sqs: Sqs) -> None:
    url = await sqs.create("orders")
    given = {"queue_url": url, "label": "partner", "aws_account_ids": ["111111111111"], "actions": ["SendMessage"]}

    await sqs.operate("add_permission", **given)

    policy = json.loads((await attributes(sqs, url, "Policy"))["Policy"])
    assert policy["Statement"] == [
        {
            "Sid": "partner",
            "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam::111111111111:root"]},
            "Action": ["SQS:SendMessage"],
            "Resource": queue_arn("orders"),
        }
    ]
    with pytest.raises(InvalidParameterValueException, match="Already exists"):
        await sqs.operate("add_permission", **given)
    await sqs.operate("remove_permission", queue_url=url, label="partner")
    assert await attributes(sqs, url, "Policy") == {}
    with pytest.raises(InvalidParameterValueException, match="can't find label"):
        await sqs.operate("remove_permission", queue_url=url, label="partner")


async def test_a_purged_queue_is_empty_and_not_purged_again_within_a_minute(sqs: Sqs) -> None:
    url = await sqs.create("orders")
    await sqs.send(url, "one")

    await sqs.operate("purge_queue", queue_url=url)

    assert await sqs.bodies(url) == []
    sqs.advance(59.9)
    with pytest.raises(PurgeQueueInProgress):
        await sqs.operate("purge_queue", queue_url=url)
    sqs.advance(0.1)
    await sqs.operate("purge_queue", queue_url=url)


@pytest.mark.parametrize("url", ["orders", f"{URL}/orders", f"{URL}/{ACCOUNT}/", f"{URL}/{ACCOUNT}/a/b", "ftp://x/1/q"])
async def test_what_is_no_queue_url_is_an_invalid_address(sqs: Sqs, url: str) -> None:
    await sqs.create("orders")

    with pytest.raises(InvalidAddress):
        await sqs.operate("get_queue_attributes", queue_url=url)


async def test_a_deleted_queue_is_gone_with_its_messages(sqs: Sqs) -> None:
    url = await sqs.create("orders")
    await sqs.send(url, "one")

    await sqs.operate("delete_queue", queue_url=url)

    with pytest.raises(QueueDoesNotExist):
        await sqs.send(url, "two")
    with pytest.raises(QueueDoesNotExist):
        await sqs.operate("delete_queue", queue_url=url)
    assert await sqs.bodies(await sqs.create("orders")) == []


async def test_only_this_account_has_queues_here(sqs: Sqs) -> None:
    url = await sqs.create("orders")

    found = await sqs.operate("get_queue_url", queue_name="orders", queue_owner_aws_account_id=ACCOUNT)
    assert found["queue_url"] == url
    with pytest.raises(QueueDoesNotExist):
        await sqs.operate("get_queue_url", queue_name="orders", queue_owner_aws_account_id="999999999999")

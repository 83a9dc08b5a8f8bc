"""What a message goes through: sent, received, hidden, deleted, given up."""

import asyncio
import json
from typing import Any

import pytest

from support.queues import ACCOUNT, URL, Sqs, queue_arn
from velvetrope.server.machine import SystemEntropy
from velvetrope.sqs.errors import (
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValueException,
    MessageNotInflight,
    MissingRequiredParameterException,
    QueueDoesNotExist,
    ReceiptHandleIsInvalid,
    TooManyEntriesInBatchRequest,
)
from velvetrope.sqs.message_operations import DeleteEntry, SendEntry, VisibilityEntry
from velvetrope.sqs.messages import AttributeValue
from velvetrope.sqs.queues import Queues


async def test_a_message_is_received_once_until_its_visibility_timeout_is_over(sqs: Sqs) -> None:
    url = await sqs.create(VisibilityTimeout="30")
    sent = await sqs.send(url, "one")

    [first] = await sqs.receive(url, attribute_names=["All"])

    assert (first["message_id"], first["body"]) == (sent["message_id"], "one")
    assert first["md5_of_body"] == sent["md5_of_message_body"] == "f97c5d29941bfb1b2fdab0874906ab82"
    assert first["attributes"] == {
        "SenderId": ACCOUNT,
        "SentTimestamp": "1767225600000",
        "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": "1767225600000",
    }
    sqs.advance(29.999)
    assert await sqs.receive(url) == []
    sqs.advance(0.001)
    [second] = await sqs.receive(url, message_system_attribute_names=["ApproximateReceiveCount"])
    assert second["attributes"] == {"ApproximateReceiveCount": "2"}
    assert second["receipt_handle"] != first["receipt_handle"]


async def test_the_newest_receipt_deletes_and_an_older_one_does_nothing(sqs: Sqs) -> None:
    url = await sqs.create()
    await sqs.send(url, "one")
    [first] = await sqs.receive(url)
    sqs.advance(30)
    [second] = await sqs.receive(url)

    await sqs.operate("delete_message", queue_url=url, receipt_handle=first["receipt_handle"])
    sqs.advance(30)
    [third] = await sqs.receive(url)
    await sqs.operate("delete_message", queue_url=url, receipt_handle=second["receipt_handle"])
    await sqs.operate("delete_message", queue_url=url, receipt_handle=third["receipt_handle"])
    await sqs.operate("delete_message", queue_url=url, receipt_handle=third["receipt_handle"])

    sqs.advance(30)
    assert await sqs.receive(url) == []


async def test_a_receipt_of_another_queue_or_of_none_is_refused(sqs: Sqs) -> None:
    url, other = await sqs.create("orders"), await sqs.create("other")
    await sqs.send(other, "one")
    [message] = await sqs.receive(other)

    for handle in (message["receipt_handle"], "made-up", "", message["receipt_handle"][:-4]):
        with pytest.raises(ReceiptHandleIsInvalid):
            await sqs.operate("delete_message", queue_url=url, receipt_handle=handle)
        with pytest.raises(ReceiptHandleIsInvalid):
            await sqs.operate("change_message_visibility", queue_url=url, receipt_handle=handle, visibility_timeout=0)


async def test_visibility_is_changed_while_in_flight_up_to_twelve_hours_after_receipt(sqs: Sqs) -> None:
    url = await sqs.create()
    await sqs.send(url, "one")
    [message] = await sqs.receive(url)

    async def change(seconds: int) -> None:
        handle = message["receipt_handle"]
        await sqs.operate("change_message_visibility", queue_url=url, receipt_handle=handle, visibility_timeout=seconds)

    await change(60)
    sqs.advance(59)
    assert await sqs.receive(url) == []
    with pytest.raises(InvalidParameterValueException, match="43200"):
        await change(43_200 - 58)
    await change(43_200 - 59)
    with pytest.raises(InvalidParameterValueException):
        await change(43_201)
    await change(0)
    with pytest.raises(MessageNotInflight):
        await change(10)
    assert await sqs.bodies(url) == ["one"]
    with pytest.raises(InvalidParameterValueException, match="does not exist"):
        await change(10)


async def test_a_delayed_message_is_not_seen_before_its_time(sqs: Sqs) -> None:
    url = await sqs.create(DelaySeconds="5")
    await sqs.send(url, "queue's delay")
    await sqs.send(url, "own delay", delay_seconds=10)
    await sqs.send(url, "none", delay_seconds=0)

    assert await sqs.bodies(url) == ["none"]
    counted = await sqs.operate("get_queue_attributes", queue_url=url, attribute_names=["All"])
    assert counted["attributes"]["ApproximateNumberOfMessagesDelayed"] == "2"
    assert counted["attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"
    sqs.advance(5)
    assert await sqs.bodies(url) == ["queue's delay"]
    sqs.advance(5)
    assert await sqs.bodies(url) == ["own delay"]
    with pytest.raises(InvalidParameterValueException):
        await sqs.send(url, "too long", delay_seconds=901)


async def test_messages_older_than_the_retention_period_are_gone(sqs: Sqs) -> None:
    url = await sqs.create(MessageRetentionPeriod="60")
    await sqs.send(url, "old")
    sqs.advance(59.9)
    await sqs.send(url, "new")

    sqs.advance(0.1)

    counted = await sqs.operate("get_queue_attributes", queue_url=url, attribute_names=["All"])
    assert counted["attributes"]["ApproximateNumberOfMessages"] == "1"
    assert await sqs.bodies(url) == ["new"]


async def test_a_message_that_is_received_too_often_ends_in_the_dead_letter_queue(sqs: Sqs) -> None:
    letters = await sqs.create("letters")
    policy = json.dumps({"deadLetterTargetArn": queue_arn("letters"), "maxReceiveCount": 2})
    url = await sqs.create("orders", RedrivePolicy=policy, VisibilityTimeout="10")
    sent = await sqs.send(url, "poison")

    for _ in range(2):
        assert await sqs.bodies(url) == ["poison"]
        assert await sqs.receive(letters) == []
        sqs.advance(10)

    assert await sqs.bodies(url) == []
    [letter] = await sqs.receive(letters, attribute_names=["All"])
    assert letter["message_id"] == sent["message_id"]
    assert letter["attributes"]["DeadLetterQueueSourceArn"] == queue_arn("orders")


async def test_without_its_dead_letter_queue_a_message_stays_where_it_is(sqs: Sqs) -> None:
    letters = await sqs.create("letters")
    policy = json.dumps({"deadLetterTargetArn": queue_arn("letters"), "maxReceiveCount": 1})
    url = await sqs.create("orders", RedrivePolicy=policy, VisibilityTimeout="10")
    await sqs.send(url, "poison")
    await sqs.operate("delete_queue", queue_url=letters)

    for _ in range(3):
        assert await sqs.bodies(url) == ["poison"]
        sqs.advance(10)


async def test_attributes_travel_with_their_digest_and_only_those_that_are_asked_for(sqs: Sqs) -> None:
    url = await sqs.create()
    attributes = {
        "kind": AttributeValue("String.label", string_value="urgent"),
        "count": AttributeValue("Number", string_value="-1.5e3"),
        "shop.blob": AttributeValue("Binary", binary_value=b"\0\1"),
    }
    trace = {"AWSTraceHeader": AttributeValue("String", string_value="Root=1-5e3d83c1-e6a0db584850d61342823d4c")}

    sent = await sqs.send(url, "one", message_attributes=attributes, message_system_attributes=trace)
    [message] = await sqs.receive(url, message_attribute_names=["All"], attribute_names=["AWSTraceHeader"])

    assert message["md5_of_message_attributes"] == sent["md5_of_message_attributes"]
    assert set(message["message_attributes"]) == set(attributes)
    assert message["attributes"] == {"AWSTraceHeader": trace["AWSTraceHeader"].string_value}
    for names, expected in ((["kind"], {"kind"}), (["shop.*"], {"shop.blob"}), (["none"], set())):
        sqs.advance(30)
        [message] = await sqs.receive(url, message_attribute_names=names)
        assert set(message["message_attributes"] or ()) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aws.kind", AttributeValue("String", string_value="x")),
        ("Amazon.kind", AttributeValue("String", string_value="x")),
        (".kind", AttributeValue("String", string_value="x")),
        ("a..b", AttributeValue("String", string_value="x")),
        ("a" * 257, AttributeValue("String", string_value="x")),
        ("kind", AttributeValue("Text", string_value="x")),
        ("kind", AttributeValue("String", string_value="")),
        ("kind", AttributeValue("String", binary_value=b"x")),
        ("kind", AttributeValue("Binary", string_value="x")),
        ("kind", AttributeValue("Number", string_value="many")),
        ("kind", AttributeValue("String", string_value="x", binary_value=b"x")),
    ],
)
async def test_attributes_that_sqs_does_not_take_are_refused(sqs: Sqs, name: str, value: AttributeValue) -> None:
    url = await sqs.create()

    with pytest.raises(InvalidParameterValueException):
        await sqs.send(url, "one", message_attributes={name: value})

    assert await sqs.receive(url) == []


async def test_more_than_ten_attributes_and_unknown_system_attributes_are_refused(sqs: Sqs) -> None:
    url = await sqs.create()
    value = AttributeValue("String", string_value="x")

    await sqs.send(url, "ten", message_attributes={f"a{n}": value for n in range(10)})
    with pytest.raises(InvalidParameterValueException):
        await sqs.send(url, "eleven", message_attributes={f"a{n}": value for n in range(11)})
    with pytest.raises(InvalidParameterValueException):
        await sqs.send(url, "one", message_system_attributes={"Other": value})


async def test_bodies_have_a_size_and_characters(sqs: Sqs) -> None:
    url = await sqs.create(MaximumMessageSize="1024")

    await sqs.send(url, "é" * 512)
    await sqs.send(url, "tab\tline\nreturn\r\U0001f600")
    with pytest.raises(InvalidParameterValueException, match="1024 bytes"):
        await sqs.send(url, "é" * 512 + "x")
    with pytest.raises(InvalidParameterValueException, match="1024 bytes"):
        await sqs.send(url, "x" * 1013, message_attributes={"kind": AttributeValue("String", string_value="ab")})
    await sqs.send(url, "x" * 1012, message_attributes={"kind": AttributeValue("String", string_value="ab")})
    with pytest.raises(MissingRequiredParameterException):
        await sqs.send(url, "")
    for character in ("\0", "\x0b", "\ufffe"):
        with pytest.raises(InvalidMessageContents):
            await sqs.send(url, f"a{character}b")


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_number_of_messages": 0},
        {"max_number_of_messages": 11},
        {"wait_time_seconds": 21},
        {"wait_time_seconds": -1},
        {"visibility_timeout": 43_201},
        {"visibility_timeout": -1},
    ],
)
async def test_receiving_has_its_bounds(sqs: Sqs, parameters: dict[str, int]) -> None:
    url = await sqs.create()

    with pytest.raises(InvalidParameterValueException):
        await sqs.operate("receive_message", queue_url=url, **parameters)


async def test_a_long_poll_ends_when_a_message_arrives(sqs: Sqs) -> None:
    url = await sqs.create(ReceiveMessageWaitTimeSeconds="20")
    waiting = asyncio.create_task(sqs.bodies(url))

    await sqs.send(await sqs.create("other"), "not this one")
    assert not waiting.done()
    await sqs.send(url, "one")

    assert await asyncio.wait_for(waiting, 60) == ["one"]


async def test_a_long_poll_ends_when_the_queue_is_deleted_and_when_the_server_stops(sqs: Sqs) -> None:
    url, other = await sqs.create("orders"), await sqs.create("other")
    waiting = asyncio.create_task(sqs.bodies(url, wait_time_seconds=20))
    waiting_on = asyncio.create_task(sqs.bodies(other, wait_time_seconds=20))
    await sqs.send(await sqs.create("third"), "both wait by now")

    await sqs.operate("delete_queue", queue_url=url)
    with pytest.raises(QueueDoesNotExist):
        await asyncio.wait_for(waiting, 60)
    sqs.service.close()

    assert await asyncio.wait_for(waiting_on, 15) == []  # of the twenty seconds


async def test_a_long_poll_does_not_wait_for_a_queue_that_is_deleted_as_it_begins(sqs: Sqs) -> None:
    """The deletion is committed, and told, after the queue was found and before anybody waits for arrivals."""
    url = await sqs.create("orders")
    queues = Queues(sqs.database, sqs.clock, SystemEntropy())
    queue = await queues.store.load_queue(queue_arn("orders"))
    assert queue is not None
    await sqs.operate("delete_queue", queue_url=url)

    with pytest.raises(QueueDoesNotExist):
        await asyncio.wait_for(queues.receive(queue, limit=1, visibility_seconds=30, wait_seconds=20), 15)


async def test_a_batch_does_what_it_can_and_tells_of_the_rest(sqs: Sqs) -> None:
    url = await sqs.create(MaximumMessageSize="1024")
    entries = [SendEntry("good", "one"), SendEntry("long", "x" * 1025), SendEntry("also-good", "two", delay_seconds=0)]

    answer = await sqs.operate("send_message_batch", queue_url=url, entries=entries)

    assert [entry["id"] for entry in answer["successful"]] == ["good", "also-good"]
    assert [(entry["id"], entry["code"], entry["sender_fault"]) for entry in answer["failed"]] == [
        ("long", "InvalidParameterValue", True)
    ]
    messages = await sqs.receive(url)
    assert {message["body"] for message in messages} == {"one", "two"}
    handles = [message["receipt_handle"] for message in messages]
    changed = await sqs.operate(
        "change_message_visibility_batch",
        queue_url=url,
        entries=[
            VisibilityEntry("a", handles[0], 0),
            VisibilityEntry("b", "made-up", 0),
            VisibilityEntry("c", handles[1]),
        ],
    )
    assert [entry["id"] for entry in changed["successful"]] == ["a"]
    assert [entry["code"] for entry in changed["failed"]] == ["ReceiptHandleIsInvalid", "MissingParameter"]
    [again] = await sqs.receive(url)
    deleted = await sqs.operate(
        "delete_message_batch",
        queue_url=url,
        entries=[DeleteEntry("a", again["receipt_handle"]), DeleteEntry("b", handles[1]), DeleteEntry("c", "no")],
    )
    assert [entry["id"] for entry in deleted["successful"]] == ["a", "b"]
    assert [entry["id"] for entry in deleted["failed"]] == ["c"]
    sqs.advance(30)
    assert await sqs.receive(url) == []


async def test_a_batch_that_is_none_is_refused_whole(sqs: Sqs) -> None:
    url = await sqs.create()

    async def send(*entries: SendEntry) -> Any:
        return await sqs.operate("send_message_batch", queue_url=url, entries=list(entries))

    with pytest.raises(EmptyBatchRequest):
        await send()
    with pytest.raises(TooManyEntriesInBatchRequest):
        await send(*(SendEntry(str(n), "x") for n in range(11)))
    with pytest.raises(BatchEntryIdsNotDistinct):
        await send(SendEntry("a", "x"), SendEntry("a", "y"))
    for entry_id in ("", "white space", "a" * 81):
        with pytest.raises(InvalidBatchEntryId):
            await send(SendEntry(entry_id, "x"))
    with pytest.raises(BatchRequestTooLong):
        await send(SendEntry("a", "x" * 600_000), SendEntry("b", "x" * 600_000))
    assert await sqs.receive(url) == []


async def test_a_queue_of_another_url_s_host_is_the_same_queue(sqs: Sqs) -> None:
    url = await sqs.create()
    await sqs.send(url.replace(URL, "https://sqs.us-west-2.amazonaws.com"), "one")

    assert await sqs.bodies(url) == ["one"]

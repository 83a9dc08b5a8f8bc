"""FIFO queues: one group is one line, and what was sent twice is there once."""

import json

import pytest

from support.queues import Sqs, queue_arn
from velvetrope.sqs.errors import InvalidParameterValueException, MissingRequiredParameterException


async def make(sqs: Sqs, name: str = "orders.fifo", **attributes: str) -> str:
    return await sqs.create(name, FifoQueue="true", ContentBasedDeduplication="true", **attributes)


async def test_a_group_is_received_in_the_order_in_which_it_was_sent(sqs: Sqs) -> None:
    url = await make(sqs)
    for number in range(6):
        await sqs.send(url, f"{number}", message_group_id="a" if number % 2 else "b")

    messages = await sqs.receive(url, attribute_names=["All"])

    assert [message["body"] for message in messages] == ["0", "1", "2", "3", "4", "5"]
    assert messages[1]["attributes"]["MessageGroupId"] == "a"
    numbers = [message["attributes"]["SequenceNumber"] for message in messages]
    assert numbers == sorted(numbers)
    assert all(len(number) == 20 for number in numbers)


async def test_while_a_message_of_a_group_is_in_flight_the_group_waits_and_others_do_not(sqs: Sqs) -> None:
    url = await make(sqs)
    for body, group in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        await sqs.send(url, body, message_group_id=group)

    [first] = await sqs.receive(url, limit=1)
    assert first["body"] == "a1"
    assert await sqs.bodies(url) == ["b1"]
    assert await sqs.bodies(url) == []
    await sqs.operate("delete_message", queue_url=url, receipt_handle=first["receipt_handle"])

    assert await sqs.bodies(url) == ["a2"]


async def test_a_message_that_was_not_deleted_comes_before_those_behind_it(sqs: Sqs) -> None:
    url = await make(sqs)
    await sqs.send(url, "a1", message_group_id="a")
    await sqs.send(url, "a2", message_group_id="a")
    await sqs.receive(url, limit=1)

    sqs.advance(30)

    assert await sqs.bodies(url) == ["a1", "a2"]


async def test_an_expired_receipt_deletes_nothing(sqs: Sqs) -> None:
    url = await make(sqs)
    await sqs.send(url, "a1", message_group_id="a")
    [message] = await sqs.receive(url)

    sqs.advance(30)
    with pytest.raises(InvalidParameterValueException, match="has expired"):
        await sqs.operate("delete_message", queue_url=url, receipt_handle=message["receipt_handle"])

    [again] = await sqs.receive(url)
    await sqs.operate("delete_message", queue_url=url, receipt_handle=again["receipt_handle"])
    await sqs.operate("delete_message", queue_url=url, receipt_handle=again["receipt_handle"])


async def test_what_is_sent_again_within_five_minutes_is_not_delivered_again(sqs: Sqs) -> None:
    url = await make(sqs)
    first = await sqs.send(url, "one", message_group_id="a")
    [message] = await sqs.receive(url)
    await sqs.operate("delete_message", queue_url=url, receipt_handle=message["receipt_handle"])

    sqs.advance(299.999)
    again = await sqs.send(url, "one", message_group_id="b")
    assert (again["message_id"], again["sequence_number"]) == (first["message_id"], first["sequence_number"])
    assert await sqs.bodies(url) == []
    sqs.advance(0.001)
    await sqs.send(url, "one", message_group_id="a")
    await sqs.send(url, "one", message_group_id="a", message_deduplication_id="explicit")

    assert await sqs.bodies(url) == ["one", "one"]


async def test_deduplication_may_be_by_group(sqs: Sqs) -> None:
    url = await make(sqs, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")

    for group in ("a", "b", "a"):
        await sqs.send(url, "one", message_group_id=group)

    assert await sqs.bodies(url) == ["one", "one"]


async def test_a_group_and_a_deduplication_id_are_needed_and_delays_are_the_queue_s(sqs: Sqs) -> None:
    url = await sqs.create("plain.fifo", FifoQueue="true")
    standard = await sqs.create("orders")

    with pytest.raises(MissingRequiredParameterException, match="MessageGroupId"):
        await sqs.send(url, "one", message_deduplication_id="1")
    with pytest.raises(InvalidParameterValueException, match="ContentBasedDeduplication"):
        await sqs.send(url, "one", message_group_id="a")
    with pytest.raises(InvalidParameterValueException, match="DelaySeconds"):
        await sqs.send(url, "one", message_group_id="a", message_deduplication_id="1", delay_seconds=0)
    for bad in ("", "white space", "a" * 129, "é"):
        with pytest.raises(InvalidParameterValueException):
            await sqs.send(url, "one", message_group_id=bad, message_deduplication_id="1")
        with pytest.raises(InvalidParameterValueException):
            await sqs.send(url, "one", message_group_id="a", message_deduplication_id=bad)
    with pytest.raises(InvalidParameterValueException, match="MessageDeduplicationId"):
        await sqs.send(standard, "one", message_deduplication_id="1")
    await sqs.send(standard, "one", message_group_id="tenant")
    await sqs.send(url, "one", message_group_id="a", message_deduplication_id="1")
    assert await sqs.bodies(url) == ["one"]


async def test_the_queue_s_delay_keeps_a_group_in_order(sqs: Sqs) -> None:
    url = await make(sqs, DelaySeconds="10")
    await sqs.send(url, "a1", message_group_id="a")
    sqs.advance(9)
    await sqs.send(url, "a2", message_group_id="a")

    assert await sqs.bodies(url) == []
    sqs.advance(1)
    assert await sqs.bodies(url, visibility_timeout=0) == ["a1"]
    sqs.advance(9)
    assert await sqs.bodies(url) == ["a1", "a2"]


async def test_a_poisoned_message_leaves_its_group_for_the_dead_letter_queue(sqs: Sqs) -> None:
    letters = await make(sqs, "letters.fifo")
    policy = json.dumps({"deadLetterTargetArn": queue_arn("letters.fifo"), "maxReceiveCount": 1})
    url = await make(sqs, RedrivePolicy=policy)
    await sqs.send(url, "poison", message_group_id="a")
    await sqs.send(url, "good", message_group_id="a")
    await sqs.receive(url, limit=1)

    sqs.advance(30)

    assert await sqs.bodies(url) == ["good"]
    assert await sqs.bodies(letters) == ["poison"]

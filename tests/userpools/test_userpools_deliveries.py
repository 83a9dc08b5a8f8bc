"""What the outbox holds is sent, tried again, and shown to the owner."""

import json
from dataclasses import dataclass

import pytest

from support.userpools import ACCOUNT, REGION, World, attribute_list
from velvetrope.store.tables.userpools import EmailConfiguration
from velvetrope.store.tables.userpools_deliveries import DeliveryStore
from velvetrope.userpools import Deliveries
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.messages.custom_senders import CustomSenders
from velvetrope.userpools.messages.log_delivery import (
    CloudWatchLogsConfigurationType,
    DeliveryFailures,
    LogConfigurationType,
)


@dataclass
class Failure:
    reason: str = "no answer"
    permanent: bool = False


class RecordingSender:
    """Takes messages over, or fails as it was told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.tried = 0
        self.from_and_to: list[tuple[str | None, str | None]] = []
        self.failure: Failure | None = None
        self.breaks_at: str | None = None

    async def send(
        self, *, message_id: str, to: str, subject: str, text: str, sender: str | None, reply_to: str | None
    ) -> Failure | None:
        assert message_id
        self.tried += 1
        if to == self.breaks_at:
            raise ZeroDivisionError
        if self.failure is None:
            self.sent.append((to, subject, text))
            self.from_and_to.append((sender, reply_to))
        return self.failure


@dataclass
class Post:
    world: World
    sender: RecordingSender
    deliveries: Deliveries
    pool_id: str

    async def state(self) -> tuple[str, str]:
        [entry] = await self.deliveries.mailbox(limit=9)
        return entry.state, entry.problem


@pytest.fixture
async def post(world: World) -> Post:
    sender = RecordingSender()
    deliveries = Deliveries(
        DeliveryStore(world.database),
        world.pools.outbox,
        {"EMAIL": sender},
        CustomSenders(None, None, world.entropy),
        world.clock,
        world.database.changes,
        DeliveryFailures(PoolDirectory(world.store, world.master_keys, world.database.changes), world.logs),
    )
    pool_id = await world.lax_pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)
    await world.sign_up(
        client_id=client_id,
        username="anna",
        password="password",
        user_attributes=attribute_list(email="anna@b.example"),
    )
    return Post(world, sender, deliveries, pool_id)


async def test_a_code_is_sent_once_with_the_pool_s_words(post: Post) -> None:
    assert await post.deliveries.send_due() == 1
    assert await post.deliveries.send_due() == 0

    [(to, subject, text)] = post.sender.sent
    assert (to, subject) == ("anna@b.example", "Your verification code")
    assert text.startswith("Your confirmation code is ")
    assert await post.state() == ("sent", "")


async def test_what_was_not_taken_over_is_tried_after_half_a_minute_two_ten_and_then_hourly(post: Post) -> None:
    post.sender.failure = Failure()
    await post.deliveries.send_due()
    assert await post.state() == ("not sent", "no answer")

    for seconds in (30, 120, 600, 3600, 3600):
        post.world.later(seconds=seconds - 1)
        assert await post.deliveries.send_due() == 0
        post.world.later(seconds=1)
        assert await post.deliveries.send_due() == 1
    post.sender.failure = None
    post.world.later(hours=1)
    await post.deliveries.send_due()

    assert len(post.sender.sent) == 1
    assert await post.state() == ("sent", "")


async def test_what_will_never_be_taken_over_is_tried_once(post: Post) -> None:
    post.sender.failure = Failure("no such address", permanent=True)
    await post.deliveries.send_due()
    post.world.later(hours=2)

    assert await post.deliveries.send_due() == 0
    assert post.sender.tried == 1
    assert await post.state() == ("not sent", "no such address")


async def test_a_message_that_breaks_its_sender_keeps_no_other_and_is_tried_again(world: World, post: Post) -> None:
    post.sender.breaks_at = "anna@b.example"
    client_id = await world.client(post.pool_id)
    await world.sign_up(
        client_id=client_id,
        username="bert",
        password="password",
        user_attributes=attribute_list(email="bert@b.example"),
    )

    assert await post.deliveries.send_due() == 2
    assert [to for to, _, _ in post.sender.sent] == ["bert@b.example"]

    post.sender.breaks_at = None
    world.later(seconds=30)
    await post.deliveries.send_due()
    assert [to for to, _, _ in post.sender.sent] == ["bert@b.example", "anna@b.example"]


async def test_without_a_sender_messages_wait_in_the_mailbox(post: Post) -> None:
    [entry] = await post.world.pools.deliveries.mailbox(limit=9)

    assert await post.world.pools.deliveries.send_due() == 0
    assert (entry.state, entry.user_pool_id, entry.message.to) == ("kept here", post.pool_id, "anna@b.example")
    assert "confirmation code" in entry.message.text


async def test_a_text_is_in_no_log(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.sender.failure = Failure()
    [entry] = await post.deliveries.mailbox(limit=1)

    with caplog.at_level("DEBUG"):
        await post.deliveries.send_due()

    assert "no answer" in caplog.text
    assert entry.message.text not in caplog.text
    assert entry.message.to not in caplog.text


async def test_mail_is_from_whom_the_pool_says(world: World, post: Post) -> None:
    await post.deliveries.send_due()
    await world.update_user_pool(
        user_pool_id=post.pool_id,
        auto_verified_attributes=("email",),
        email_configuration=EmailConfiguration(
            email_sending_account="DEVELOPER",
            source_arn="arn:aws:ses:us-west-2:123456789012:identity/people.example",
            from_="no-reply@people.example",
            reply_to_email_address="help@people.example",
        ),
    )
    await world.admin_create_user(
        user_pool_id=post.pool_id, username="bea", user_attributes=attribute_list(email="b@people.example")
    )

    await post.deliveries.send_due()

    assert post.sender.from_and_to == [(None, None), ("no-reply@people.example", "help@people.example")]


async def deliver_failures(post: Post) -> None:
    post.world.logs.groups.add("people")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:people"
    wanted = LogConfigurationType(
        log_level="ERROR",
        event_source="userNotification",
        cloud_watch_logs_configuration=CloudWatchLogsConfigurationType(log_group_arn=arn),
    )
    await post.world.set_log_delivery_configuration(user_pool_id=post.pool_id, log_configurations=(wanted,))


async def test_each_failed_attempt_is_told_in_the_pool_s_log_group_without_what_was_in_the_message(post: Post) -> None:
    await deliver_failures(post)
    post.sender.failure = Failure()
    await post.deliveries.send_due()
    post.sender.failure = None
    post.world.later(seconds=30)
    await post.deliveries.send_due()

    [(group, stream, at_ms, line)] = post.world.logs.events
    event = json.loads(line)
    [entry] = await post.deliveries.mailbox(limit=9)
    assert (group, stream) == ("people", post.pool_id)
    assert event["eventTimestamp"] == str(at_ms)
    assert (event["eventSource"], event["logLevel"]) == ("USER_NOTIFICATION", "ERROR")
    assert event["logSourceId"] == {"userPoolId": post.pool_id}
    assert event["message"]["details"].endswith("(EMAIL) was not delivered: no answer")
    assert entry.message.text not in line


async def test_nothing_is_told_where_nobody_reads(post: Post) -> None:
    post.sender.failure = Failure()
    await post.deliveries.send_due()
    await deliver_failures(post)
    post.world.logs.groups.clear()
    post.world.later(seconds=30)

    assert await post.deliveries.send_due() == 1

    assert post.world.logs.events == []

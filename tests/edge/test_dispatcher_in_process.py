"""Calls without a socket: the same checks, the same errors, one decision record each."""

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime

import msgspec
import pytest

from support.edge import ACCOUNT, ALICE, REGION, ROOT, Edge, FakeJudgement, FakeVerdict, ToySts
from velvetrope.clock import FrozenClock
from velvetrope.edge.requests import ControlRequest, head_of
from velvetrope.errors import ServiceError
from velvetrope.operations import Answer, Call, operation
from velvetrope.principals import ANONYMOUS, Principal


def call_as(principal: Principal) -> Call:
    return Call(principal, ACCOUNT, REGION, "outer-request", datetime(2026, 1, 1, tzinfo=UTC))


async def refusal(
    edge: Edge, service: str, name: str, parameters: dict[str, object], who: Principal
) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        await edge.dispatcher.invoke(service, name, parameters, call_as(who))
    return caught.value.code, caught.value.message


async def test_an_answer_has_the_wires_names_and_pythons_values() -> None:
    edge = Edge(clock=FrozenClock())

    answer = await edge.dispatcher.invoke("cognito-idp", "CreateUserPool", {"PoolName": "p"}, call_as(ROOT))

    assert answer["UserPool"] == {
        "Id": "us-west-2_abcdefghi",
        "Name": "p",
        "UsernameAttributes": [],
        "CreationDate": datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
    }


async def test_the_judge_sees_validated_wire_parameters() -> None:
    edge = Edge(clock=FrozenClock())

    await edge.dispatcher.invoke("cognito-idp", "CreateUserPool", {"PoolName": "p"}, call_as(ROOT))

    assert edge.judge.asked == [("cognito-idp:CreateUserPool", {"PoolName": "p"})]


async def test_a_call_in_process_is_judged_validated_and_recorded_like_any_other() -> None:
    edge = Edge(clock=FrozenClock())

    denied = await refusal(edge, "cognito-idp", "CreateUserPool", {"PoolName": "p"}, ALICE)
    nobody = await refusal(edge, "cognito-idp", "CreateUserPool", {"PoolName": "p"}, ANONYMOUS)
    invalid = await refusal(edge, "cognito-idp", "CreateUserPool", {"PoolName": "?"}, ROOT)
    unknown = await refusal(edge, "cognito-idp", "CreateUserPool", {"PoolNam": "p"}, ROOT)
    mistyped = await refusal(edge, "cognito-idp", "CreateUserPool", {"PoolName": 5}, ROOT)
    absent = await refusal(edge, "cognito-idp", "CreateUserImportJob", {}, ROOT)
    fault = await refusal(
        edge, "cognito-idp", "SignUp", {"ClientId": "c", "Username": "broken", "Password": "p"}, ANONYMOUS
    )

    assert denied[0] == "AccessDeniedException"
    assert nobody[0] == "MissingAuthenticationTokenException"
    assert invalid[0] == "InvalidParameterException"
    assert unknown == ("InvalidParameterException", "velvetrope does not know CreateUserPool.PoolNam")
    assert mistyped == ("SerializationException", "CreateUserPool.PoolName: a int is not a string")
    assert absent[0] == "NotImplemented"
    assert fault[0] == "InternalErrorException"
    records = edge.decisions.recent(10)
    assert len(records) == 7
    assert all(r.outcome == "refused" and r.request_id != "outer-request" for r in records)


async def test_a_record_tells_what_permitted_a_call_and_every_reason_against_one() -> None:
    edge = Edge(clock=FrozenClock())

    await edge.dispatcher.invoke("cognito-idp", "CreateUserPool", {"PoolName": "p"}, call_as(ROOT))
    await refusal(edge, "cognito-idp", "CreateUserPool", {"PoolName": "p"}, ALICE)

    refused, allowed = edge.decisions.recent(2)
    assert [(step.name, step.outcome, step.reason) for step in allowed.steps] == [
        ("authorization", "allowed", "a test policy allows it"),
        ("call", "allowed", "answered"),
    ]
    assert refused.steps[-1].name == "authorization"
    assert refused.steps[-1].reason.endswith("(a test policy was looked at)")


async def test_an_operation_may_be_registered_once() -> None:
    edge = Edge(clock=FrozenClock())

    with pytest.raises(ValueError, match="sts has two operations called"):
        edge.dispatcher.register("sts", ToySts())
    with pytest.raises(ValueError, match="s3 has no row"):
        edge.dispatcher.register("s3", ToySts())


class Misspelt:
    @operation
    async def get_caller_identiti(self, call: Call) -> Answer:
        return None

    @operation
    async def get_session_token(self, call: Call, *, duration: int = 1) -> Answer:
        return None


def test_the_registry_can_be_held_against_the_models() -> None:
    edge = Edge(clock=FrozenClock())
    assert edge.dispatcher.operations.check() == []

    edge.dispatcher.register("sts", Misspelt())

    assert edge.dispatcher.operations.check() == [
        "sts has no operation get_caller_identiti",
        "sts:GetSessionToken has no member duration",
    ]


class WrongAnswers:
    @operation
    async def get_session_token(self, call: Call) -> Answer:
        return {"credential": {}}

    @operation
    async def get_access_key_info(self, call: Call, *, access_key_id: str) -> Answer:
        return {"account": 5}


@pytest.mark.parametrize(
    ("name", "parameters"), [("GetSessionToken", {}), ("GetAccessKeyInfo", {"AccessKeyId": "A" * 20})]
)
async def test_an_answer_that_its_shape_has_no_place_for_is_a_fault_of_ours(
    name: str, parameters: dict[str, object]
) -> None:
    edge = Edge(clock=FrozenClock())
    edge.dispatcher.register("sts", WrongAnswers())

    assert (await refusal(edge, "sts", name, parameters, ROOT))[0] == "InternalFailure"


class Unending:
    """An operation, and a judge, that come to no end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    @operation
    async def forgot_password(self, call: Call, *, client_id: str, username: str) -> Answer:
        await self._wait()
        return None

    async def judge(self, service: str, operation: str, parameters: Mapping[str, object], call: Call) -> FakeJudgement:
        await self._wait()
        return FakeJudgement("", "", FakeVerdict(True))

    async def _wait(self) -> None:
        self.begun.set()
        await asyncio.Event().wait()


async def cut_off(calling: Coroutine[object, object, object], begun: asyncio.Event) -> None:
    task = asyncio.create_task(calling)
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("over_http", [False, True])
async def test_a_call_that_is_cancelled_when_it_was_let_in_is_not_recorded_as_answered(over_http: bool) -> None:
    edge, unending = Edge(clock=FrozenClock()), Unending()
    edge.dispatcher.register("cognito-idp", unending)
    asked = {"ClientId": "1234567890", "Username": "eve"}
    target = (b"x-amz-target", b"AWSCognitoIdentityProviderService.ForgotPassword")
    head = head_of("POST", "/", b"/", b"", [target, (b"content-type", b"application/x-amz-json-1.1")])
    request = ControlRequest(
        head=head,
        body=msgspec.json.encode(asked),
        source_ip="127.0.0.1",
        scheme="http",
        request_id="r",
        received_at=FrozenClock().now(),
    )

    in_process = edge.dispatcher.invoke("cognito-idp", "ForgotPassword", asked, call_as(ANONYMOUS))
    await cut_off(edge.dispatcher.answer(request) if over_http else in_process, unending.begun)
    in_process.close()

    (record,) = edge.decisions.recent(10)
    last = record.steps[-1]
    assert (record.outcome, record.status, record.code) == ("allowed", 503, "")
    assert (last.name, last.outcome) == ("call", "skipped")
    assert last.reason == "cancelled before it was answered; what it was asked to do may be done"


async def test_a_call_that_is_cancelled_before_it_was_let_in_is_recorded_as_refused() -> None:
    edge, unending = Edge(clock=FrozenClock()), Unending()
    edge.judge.judge = unending.judge  # type: ignore[method-assign]  # what is asked is not the point here

    await cut_off(
        edge.dispatcher.invoke("cognito-idp", "CreateUserPool", {"PoolName": "p"}, call_as(ROOT)), unending.begun
    )

    (record,) = edge.decisions.recent(10)
    last = record.steps[-1]
    assert (record.outcome, record.status, record.code) == ("refused", 503, "ServiceUnavailable")
    assert (last.name, last.outcome) == ("authorization", "refused")
    assert last.reason == "ServiceUnavailable: the call was cancelled before it was let in; nothing was done"
    assert edge.user_pools.calls == []


async def test_an_operation_hears_for_which_resources_its_caller_was_allowed() -> None:
    edge = Edge()
    given = msgspec.structs.replace(call_as(ROOT), judged=("of another call",))

    await edge.dispatcher.invoke("cognito-idp", "CreateUserPool", {"PoolName": "people"}, given)
    await edge.dispatcher.invoke(
        "cognito-idp", "SignUp", {"ClientId": "1234567890", "Username": "eve", "Password": "Passw0rd!"}, given
    )

    signed, unsigned = edge.user_pools.calls
    assert signed.judged == ("arn:aws:test:::thing",)
    assert unsigned.judged == (), "nobody was asked"

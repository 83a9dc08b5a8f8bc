"""What is read quickly is what the steps would have read: for every operation that we have, on what clients may send.

The bodies are made by the shapes, with a bias for bounds, and then spoilt here and there: nulls, wrong types, members
that nobody knows, letters of other scripts, numbers spelled as fractions.
"""

import json
import random
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from support.edge import Edge
from velvetrope.clock import FrozenClock
from velvetrope.edge.codecs import MalformedRequest, UnknownMember
from velvetrope.edge.codecs.json_values import parse_structure
from velvetrope.edge.dispatcher import OperationDispatcher
from velvetrope.edge.members import UnsupportedMember
from velvetrope.edge.models import Member, Operation, Shape, load_service_model
from velvetrope.edge.parameters import MissingParameter, SignatureContract, UnsupportedValue
from velvetrope.edge.patterns import matches_pattern, searched_pattern
from velvetrope.edge.quick_calls import CALLS_BEFORE, QuickReader
from velvetrope.edge.quick_types import accepts, document_type, parameters_type
from velvetrope.edge.requests import ControlRequest, head_of
from velvetrope.edge.services import SERVICES
from velvetrope.edge.validation import MAX_PATTERN_CHARACTERS, find_violations
from velvetrope.server.assembly import Server
from velvetrope.server.machine import SystemEntropy
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import StateFolder

BODIES = 60
"""Of each operation."""
TEXTS = (
    *("a", "abcdefghijklmnopqrstuvwxyz", "us-west-2_abcdefghi", "us-west-2:01234567-89ab-cdef-0123-456789abcdef", "1"),
    *("arn:aws:iam::123456789012:role/reader", "arn:aws:lambda:us-west-2:123456789012:function:f", "123456789012"),
    *(
        "",
        " ",
        "a\n",
        "\n",
        "a b",
        "äöü",
        "日本",
        "\U0001f600",
        "ﬁ",
        "²",
        "a/b",
        "$LATEST",
        "anna@example.org",
        "Aa1!Aa1!",
    ),
)


class Maker:
    """Makes JSON values of shapes, most of them right."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # the same bodies in every run
        self._spoilt_once_in = 60

    def body(self, shape: Shape | None) -> dict[str, Any]:
        self._spoilt_once_in = self._random.choice([8, 60, 10**9])
        return {"Thing": 1} if shape is None and self._random.random() < 0.2 else self._structure(shape, 0)

    def _structure(self, shape: Shape | None, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, member in (shape.members if shape is not None else {}).items():
            if member.location is not None:
                continue
            is_required = shape is not None and name in shape.required
            likely = 0.97 if is_required else (0.5 if depth < 2 else 0.15) / (1 + depth)
            if self._random.random() < likely:
                made[member.wire_name] = self._value(member, depth + 1)
        if self._spoils():
            made[self._random.choice(["Unknown", "", "unknown_member"])] = "x"
        items = list(made.items())
        self._random.shuffle(items)
        return dict(items)

    def _value(self, member: Member, depth: int) -> Any:
        if self._spoils():
            return self._random.choice(
                [
                    None,
                    5,
                    5.0,
                    5.5,
                    -1,
                    True,
                    "5",
                    "x",
                    [],
                    {},
                    [None],
                    {"a": None},
                    2**70,
                    -(2**70),
                    1e300,
                    ["x"],
                    [{}],
                ]
            )
        shape = member.shape
        match shape.type:
            case _ if shape.is_document:
                return self._random.choice([{"a": [1, None]}, "x", 5.0, []])
            case "structure":
                return self._structure(shape, depth) if depth < 5 else {}
            case "list" if shape.item is not None:
                return [self._value(shape.item, depth) for _ in range(self._count(shape))]
            case "map" if shape.key is not None and shape.value is not None:
                return {self._text(shape.key.shape): self._value(shape.value, depth) for _ in range(self._count(shape))}
            case "boolean":
                return self._random.random() < 0.5
            case "integer" | "long":
                low, high = int(shape.minimum or 0), int(shape.maximum if shape.maximum is not None else 100)
                return self._random.choice([low, high, low, high, (low + high) // 2, low - 1, high + 1, float(low)])
            case "float" | "double":
                return self._random.choice([0, 1, 0.5, 1e6])
            case "timestamp":
                return self._random.choice([1_700_000_000, 1_700_000_000.5, "2026-01-01T00:00:00Z"])
            case "blob":
                return self._random.choice(["", "YQ==", "YWJj", "YQ"])
            case _:
                return self._text(shape)

    def _text(self, shape: Shape) -> str:
        if shape.enum and self._random.random() < 0.95:
            return self._random.choice(shape.enum)
        low, high = int(shape.minimum or 0), int(shape.maximum if shape.maximum is not None else 40)
        right = [
            text
            for text in (*TEXTS[:8], "a" * low, "a" * min(high, 3000))
            if low <= len(text) <= high and (shape.pattern is None or matches_pattern(shape.pattern, text))
        ]
        if right and self._random.random() < 0.93:
            return self._random.choice(right)
        return self._random.choice([*TEXTS, "a" * max(low - 1, 0), "a" * min(high + 1, 3000)])

    def _count(self, shape: Shape) -> int:
        low, high = int(shape.minimum or 0), int(shape.maximum if shape.maximum is not None else 3)
        return self._random.choice([low, low, min(high, 3), min(low + 1, 5), max(low - 1, 0), min(high + 1, 4)])

    def _spoils(self) -> bool:
        return self._random.randrange(self._spoilt_once_in) == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dispatcher(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OperationDispatcher]:
    """All rooms, wired as `velvetrope serve` wires them."""
    folder = StateFolder.open(Path(tmp_path_factory.mktemp("quick")) / "state", SystemEntropy())
    server = await Server.open(Settings(state_folder=folder.path, durable=False), folder, port=4800)
    yield server.dispatcher
    await server.stop()
    folder.close()


def read_by_steps(
    operation: Operation, contract: SignatureContract, body: dict[str, Any]
) -> tuple[dict[str, object], dict[str, object]] | None:
    """The wire dict and the arguments, or None if a step refuses."""
    try:
        if operation.input is None:
            return None if body else ({}, {})
        parameters = parse_structure(body, operation.input)
        if find_violations(parameters, operation.input):
            return None
        return parameters, contract.arguments(parameters, operation.input)
    except (MalformedRequest, UnknownMember, UnsupportedMember, UnsupportedValue, MissingParameter):
        return None


def spelled(value: object) -> object:
    """With its types, so that 5 and 5.0 differ, and True and 1."""
    if isinstance(value, Mapping):
        return {key: spelled(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return (type(value), [spelled(inner) for inner in value])
    if isinstance(value, msgspec.Struct):
        return (type(value), [spelled(getattr(value, name)) for name in value.__struct_fields__])
    return (type(value), value)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_quick_reading_is_what_the_steps_read(dispatcher: OperationDispatcher) -> None:
    tried = read = 0
    for service, names in dispatcher.operations.implemented().items():
        if SERVICES[service].protocol != "json":
            continue
        model = load_service_model(service, SERVICES[service].api_version)
        for name in names:
            operation = model.operation(name)
            contract = SignatureContract(name, dispatcher.operations.method(service, name))
            reader = QuickReader(operation, contract)
            maker = Maker(f"{service}:{name}")
            for _ in range(BODIES):
                body = maker.body(operation.input)
                quick = reader.read(json.dumps(body).encode())
                steps = read_by_steps(operation, contract, body)

                tried += steps is not None
                if quick is not None:
                    read += 1
                    assert steps is not None, (name, body)
                    assert spelled(quick[0]) == spelled(steps[0]), (name, body)
                    assert spelled(quick[1]) == spelled(steps[1]), (name, body)

    assert read > 0.8 * tried > 1000


@pytest.mark.asyncio(loop_scope="module")
async def test_what_a_type_accepts_the_model_has_nothing_against(dispatcher: OperationDispatcher) -> None:
    right = accepted = 0
    for service, names in dispatcher.operations.implemented().items():
        model = load_service_model(service, SERVICES[service].api_version)
        for name in names:
            shape = model.operation(name).input
            if shape is None:
                continue
            maker = Maker(f"{service}:{name}")
            for _ in range(BODIES):
                try:
                    parameters = parse_structure(maker.body(shape), shape)
                except (MalformedRequest, UnknownMember):
                    continue
                is_right = not find_violations(parameters, shape)

                right += is_right
                if accepts(parameters, parameters_type(shape)):
                    accepted += 1
                    assert is_right, (name, parameters)

    assert accepted > 0.9 * right > 3000


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        (b'{"PoolName":"p"}', True),
        (b' {"PoolName" : "p", "UsernameAttributes":["email"], "UserPoolTags":{"a":"b"}}\n', True),
        (b'{"PoolName":"p","Policies":{"PasswordPolicy":{"MinimumLength":8}}}', True),
        (b'{"PoolName":"\\u00fc"}', False),
        (b'{"PoolName":"p","Policies":null}', False),
        (b'{"PoolName":"p","UsernameAttributes":["phone_number"]}', False),
        (b'{"PoolName":"p","Policies":{"PasswordPolicy":{"MinimumLength":8.0}}}', False),
        (b'{"PoolName":"p","Policies":{"PasswordPolicy":{"MinimumLength":true}}}', False),
        (b'{"PoolName":"p","Policies":{"PasswordPolicy":{"MinimumLength":5}}}', False),
        (b'{"PoolName":"p","Policies":{"PasswordPolicy":{"RequireNumbers":true}}}', False),
        (b'{"PoolName":"p","MfaConfiguration":"OFF"}', False),
        (b'{"PoolName":"p","Unknown":1}', False),
        (b'{"PoolName":"' + b"p" * 129 + b'"}', False),
        (b"{}", False),
        (b"", False),
        (b"[]", False),
        (b"null", False),
        (b'{"PoolName":"p"} x', False),
        (b'{"PoolName":"\xff"}', False),
        (b'{"PoolName":"p","UserPoolTags":' + b"[" * 100_000, False),
    ],
)
def test_only_what_is_beyond_doubt_is_read_quickly(body: bytes, is_read: bool) -> None:
    edge = Edge(clock=FrozenClock())
    operation = load_service_model("cognito-idp", "2016-04-18").operation("CreateUserPool")
    contract = SignatureContract("CreateUserPool", edge.user_pools.create_user_pool)

    assert (QuickReader(operation, contract).read(body) is not None) is is_read


@pytest.mark.parametrize(
    ("service", "name", "document", "is_accepted"),
    [
        ("cognito-idp", "CompleteWebAuthnRegistration", {"AccessToken": "a", "Credential": {"id": [None]}}, True),
        ("cognito-idp", "CompleteWebAuthnRegistration", {"AccessToken": "a", "Credential": None}, False),
        ("logs", "GetQueryResults", {"queryId": "q"}, True),
        ("logs", "PutMetricFilter", {"metricTransformations": [{"defaultValue": 5}]}, False),
        ("logs", "FilterLogEvents", {"logGroupName": "g", "logStreamNames": []}, False),
        ("logs", "FilterLogEvents", {"logGroupName": "g", "startTime": 2**63 - 1}, True),
        ("logs", "FilterLogEvents", {"logGroupName": "g", "startTime": 2**63}, False),
        ("logs", "FilterLogEvents", {"logGroupName": "g", "startTime": -(2**70)}, False),
        ("sqs", "SendMessage", {"QueueUrl": "q", "MessageBody": "m"}, True),
        (
            *("sqs", "SendMessage"),
            {
                "QueueUrl": "q",
                "MessageBody": "m",
                "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "YQ=="}},
            },
            False,
        ),
    ],
)
def test_what_a_client_may_spell_in_two_ways_is_left_to_the_steps(
    service: str, name: str, document: dict[str, Any], is_accepted: bool
) -> None:
    shape = load_service_model(service, SERVICES[service].api_version).operation(name).input

    assert shape is not None
    assert accepts(document, document_type(shape)) is is_accepted


@pytest.mark.parametrize(
    ("pattern", "value", "is_found"),
    [
        (r"[\p{L}]+", "abc", True),
        (r"[\p{L}]+", "äbc", False),
        (r"[^\p{L}]+", "12", True),
        (r"[^\p{L}]+", "ä", False),
        (r"a|bc", "a", True),
        (r"a|bc", "abc", False),
        (r"\w+", "a\n", False),
        (r"\w+", "ä", False),
        (r"a$", "a\n", False),
        (r"[\w-+]+", "a-+", True),
        (r"[\S\s]*", "ä\n", True),
    ],
)
def test_a_pattern_is_searched_for_in_whole_values(pattern: str, value: str, is_found: bool) -> None:
    assert (re.search(searched_pattern(pattern), value) is not None) is is_found


def test_a_long_value_is_not_held_against_a_pattern() -> None:
    shape = Shape("Input", "structure", members={"P": Member("P", "p", "P", None, None, False, Shape("P", "string"))})
    shape.members["P"].shape.pattern = "x*"
    wanted = document_type(shape)

    assert accepts({"P": "x" * MAX_PATTERN_CHARACTERS}, wanted)
    assert not accepts({"P": "x" * (MAX_PATTERN_CHARACTERS + 1)}, wanted)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"ClientId":"abc","Username":"anna","Password":"secret"}', 200),
        (b'{"ClientId":"abc","Username":"anna","Password":"secret","UserAttributes":null}', 200),
        (b'{"ClientId":"abc","Username":"anna"}', 400),
        (b'{"ClientId":"abc!","Username":"anna","Password":"secret"}', 400),
        (b'{"ClientId":"abc","Username":"taken","Password":"secret"}', 400),
        (b'{"ClientId":"abc","Username":"anna","Password":"secret","UserAttributes":[]}', 400),
        (b'{"ClientId":5,"Username":"anna","Password":"secret"}', 400),
        (b"{", 400),
    ],
)
async def test_an_answer_does_not_change_when_calls_become_many(body: bytes, status: int) -> None:
    edge = Edge(clock=FrozenClock())
    target = (b"x-amz-target", b"AWSCognitoIdentityProviderService.SignUp")
    request = ControlRequest(
        head=head_of("POST", "/", b"/", b"", [target, (b"content-type", b"application/x-amz-json-1.1")]),
        body=body,
        source_ip="127.0.0.1",
        scheme="http",
        request_id="r",
        received_at=FrozenClock().now(),
    )

    answers = [await edge.dispatcher.answer(request) for _ in range(CALLS_BEFORE + 3)]

    assert answers[0].status == status
    assert all(answer == answers[0] for answer in answers)

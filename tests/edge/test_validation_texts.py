"""AWS's words for what a model refuses; patterns as Java reads them; names on both sides."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.edge.answers import AnswerWriter, answer_writer, json_writer
from velvetrope.edge.members import UnsupportedMember, to_snake
from velvetrope.edge.models import Shape, load_service_model
from velvetrope.edge.parameters import MissingParameter, SignatureContract, UnsupportedValue
from velvetrope.edge.patterns import matches_pattern
from velvetrope.edge.services import SERVICES
from velvetrope.edge.validation import describe_violations, find_violations
from velvetrope.operations import Call
from velvetrope.secret import Secret


def input_of(service: str, operation: str) -> Shape:
    shape = load_service_model(service, SERVICES[service].api_version).operation(operation).input
    assert shape is not None
    return shape


def violations(service: str, operation: str, **parameters: object) -> list[str]:
    return find_violations(parameters, input_of(service, operation))


@pytest.mark.parametrize(("length", "is_allowed"), [(0, False), (1, True), (128, True), (129, False)])
def test_the_bounds_of_a_length_are_inclusive(length: int, is_allowed: bool) -> None:
    assert (not violations("cognito-idp", "CreateUserPool", PoolName="p" * length)) is is_allowed


@pytest.mark.parametrize(("seconds", "is_allowed"), [(899, False), (900, True), (43_200, True), (43_201, False)])
def test_the_bounds_of_a_number_are_inclusive(seconds: int, is_allowed: bool) -> None:
    arn = "arn:aws:iam::123456789012:role/r"
    found = violations("sts", "AssumeRole", RoleArn=arn, RoleSessionName="ss", DurationSeconds=seconds)

    assert (not found) is is_allowed


def test_members_inside_structures_and_lists_are_named_by_their_path() -> None:
    found = violations(
        "sts",
        "AssumeRole",
        RoleArn="arn:aws:iam::123456789012:role/r",
        RoleSessionName="ss",
        PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}, {"arn": "x"}],
        Tags=[{"Key": "k"}],
    )

    assert found == [
        (
            "Value 'x' at 'policyArns.2.member.arn' failed to satisfy constraint: "
            "Member must have length greater than or equal to 20"
        ),
        "Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null",
    ]


def test_the_keys_and_values_of_a_map_are_spoken_of_together() -> None:
    found = violations("cognito-identity", "GetId", IdentityPoolId="us-west-2:abc", Logins={"": "t", "k" * 129: ""})

    assert len(found) == 2
    assert (
        "Value at 'logins' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have"
        in found[0]
    )
    assert "Map value must satisfy constraint: [Member must have length less than or equal to 50000" in found[1]


def test_a_list_that_is_too_long_is_a_length() -> None:
    keys = [f"k{n}" for n in range(51)]
    found = violations(
        "sts", "AssumeRole", RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="ss", TransitiveTagKeys=keys
    )

    assert len(found) == 1
    assert found[0].endswith("' failed to satisfy constraint: Member must have length less than or equal to 50")


def test_a_secret_is_not_repeated_even_inside_a_structure() -> None:
    found = violations(
        "cognito-idp",
        "InitiateAuth",
        AuthFlow="USER_PASSWORD",
        AuthParameters={"PASSWORD": "hunter2" * 10_000},
        ClientId="?",
    )

    assert found[0].startswith("Value 'USER_PASSWORD' at 'authFlow' failed")
    assert found[1].startswith("Value at 'clientId' failed")
    assert "hunter2" not in "".join(found)


def test_one_error_is_singular_and_several_are_joined() -> None:
    assert describe_violations(["a"]) == "1 validation error detected: a"
    assert describe_violations(["a", "b"]) == "2 validation errors detected: a; b"


def all_patterns() -> Iterator[tuple[str, str]]:
    for service, row in SERVICES.items():
        model = load_service_model(service, row.api_version)
        for name in model.request_uris:
            stack = [s for s in (model.operation(name).input,) if s is not None]
            seen: set[str] = set()
            while stack:
                shape = stack.pop()
                if shape.name in seen:
                    continue
                seen.add(shape.name)
                if shape.pattern is not None:
                    yield service, shape.pattern
                inside = [*shape.members.values(), *(m for m in (shape.item, shape.key, shape.value) if m is not None)]
                stack += [member.shape for member in inside]


@pytest.mark.parametrize("pattern", sorted({pattern for _, pattern in all_patterns()}))
def test_every_pattern_of_our_models_can_be_matched(pattern: str) -> None:
    matches_pattern(pattern, "a")
    matches_pattern(pattern, "é日\u00a0]^-\\")


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "Zoë-日本€1", True),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "two words", False),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "no\u00a0break", False),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "with]and^and-and\\", True),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "a b\u00a0c", True),
        (r"[^_\p{Z}][\p{L}\p{M}\p{S}\p{N}\p{P}][^_\p{Z}]+", "abc", True),
        (r"[^_\p{Z}][\p{L}\p{M}\p{S}\p{N}\p{P}][^_\p{Z}]+", "ab\u2003", False),
        (r"[\w-]+:[0-9a-f-]+", "us-west-2:0f", True),
        (r"[\w-]+:[0-9a-f-]+", "éé:0f", False),
        (r"[\w-]+:[0-9a-f-]+", "us-west-2:0f\n", False),
        (r"[\w-_]*", "a-_b", True),
        (r"\d{12}", "\N{ARABIC-INDIC DIGIT ONE}" * 12, False),
    ],
)
def test_patterns_mean_what_java_means_by_them(pattern: str, value: str, matches: bool) -> None:
    assert matches_pattern(pattern, value) is matches


@given(st.text(max_size=30))
def test_a_class_of_properties_allows_exactly_its_categories(value: str) -> None:
    import unicodedata

    expected = bool(value) and all(unicodedata.category(c)[0] in "LMSNP" for c in value)

    assert matches_pattern(r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", value) is expected


class PasswordPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    minimum_length: int = 8


class Policies(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    password_policy: PasswordPolicy | None = None


class Tag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key: str


async def handler(
    self: object,
    call: Call,
    *,
    pool_name: str,
    mfa_configuration: Literal["OFF"] = "OFF",
    policies: Annotated[Policies | None, "held by the pool"] = None,
    user_pool_tags: dict[str, str] | None = None,
    schema: tuple[dict[str, object], ...] = (),
) -> None: ...


def arguments(**parameters: object) -> dict[str, object]:
    return SignatureContract("CreateUserPool", handler).arguments(parameters, input_of("cognito-idp", "CreateUserPool"))


def test_arguments_are_built_by_annotation_and_keys_of_maps_are_left_alone() -> None:
    built = arguments(
        PoolName="p",
        Policies={"PasswordPolicy": {"MinimumLength": 9}},
        UserPoolTags={"SomeKey": "v"},
        Schema=[{"AttributeDataType": "String"}],
        MfaConfiguration=None,
    )

    assert built == {
        "pool_name": "p",
        "policies": Policies(password_policy=PasswordPolicy(minimum_length=9)),
        "user_pool_tags": {"SomeKey": "v"},
        "schema": ({"attribute_data_type": "String"},),
    }


def test_what_the_signature_lacks_needs_or_narrows_is_a_finding_of_its_own() -> None:
    with pytest.raises(UnsupportedMember, match=r"^CreateUserPool\.LambdaConfig$"):
        arguments(PoolName="p", LambdaConfig={})
    with pytest.raises(UnsupportedMember, match=r"^CreateUserPool\.Policies\.PasswordPolicy\.RequireNumbers$"):
        arguments(PoolName="p", Policies={"PasswordPolicy": {"RequireNumbers": True}})
    with pytest.raises(MissingParameter, match=r"^PoolName$"):
        arguments()
    with pytest.raises(UnsupportedValue, match=r"^CreateUserPool\.MfaConfiguration: Invalid enum value 'ON'"):
        arguments(PoolName="p", MfaConfiguration="ON")


async def sign_up(
    self: object, call: Call, *, password: Secret[str], user_attributes: list[Tag] | None = None
) -> None: ...


def test_a_secret_parameter_arrives_as_a_secret() -> None:
    built = SignatureContract("SignUp", sign_up).arguments({"Password": "x"}, input_of("cognito-idp", "SignUp"))

    assert built == {"password": Secret("x")}


@pytest.mark.parametrize("name", ["AllowedOAuthFlows", "CallbackURLs", "LogoutURLs", "RefreshTokenValidity"])
def test_every_member_comes_back_under_the_name_it_left_by(name: str) -> None:
    shape = input_of("cognito-idp", "CreateUserPoolClient")
    value: object = 1 if name == "RefreshTokenValidity" else ["x"]

    renamed = to_snake({name: value}, shape, dict[str, object], "")

    assert answer_writer(shape)(renamed) == {name: value}
    assert isinstance(renamed, dict)
    assert all(re.fullmatch("[a-z_]+", key) for key in renamed)


@pytest.mark.parametrize("write", [answer_writer, json_writer])
@pytest.mark.parametrize(
    "answer",
    [
        {"user_pool": {"name": 5}},
        {"user_pool": {"creation_date": "2026"}},
        {"user_pool": {"estimated_number_of_users": True}},
        {"user_pool": {"nickname": "x"}},
        {"user_pool": "x"},
        {"user_pool": {"username_attributes": "email"}},
    ],
)
def test_an_answer_of_the_wrong_type_is_a_fault(
    answer: dict[str, object], write: Callable[[Shape], AnswerWriter]
) -> None:
    output = load_service_model("cognito-idp", "2016-04-18").operation("CreateUserPool").output
    assert output is not None

    with pytest.raises(TypeError):
        write(output)(answer)


def test_none_is_left_out_of_an_answer_and_structs_are_read() -> None:
    output = load_service_model("cognito-idp", "2016-04-18").operation("CreateUserPool").output
    assert output is not None
    at = datetime(2026, 1, 1, tzinfo=UTC)

    wire = answer_writer(output)({"user_pool": {"name": None, "policies": Policies(), "creation_date": at}})

    assert wire == {"UserPool": {"Policies": {}, "CreationDate": at}}

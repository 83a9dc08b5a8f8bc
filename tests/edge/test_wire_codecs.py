"""What botocore serialises we parse, and what we render botocore parses back: every protocol, random values."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.awsrequest
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from velvetrope.edge.codecs import CODECS
from velvetrope.edge.codecs.uri_templates import UriIndex
from velvetrope.edge.codecs.values import MalformedRequest, UnknownMember
from velvetrope.edge.members import to_snake
from velvetrope.edge.models import ServiceModel, Shape, load_service_model
from velvetrope.edge.requests import ControlRequest, head_of
from velvetrope.edge.services import SERVICES

OPERATIONS = [
    ("cognito-idp", "CreateUserPool"),
    ("cognito-idp", "AdminCreateUser"),
    ("cognito-idp", "InitiateAuth"),
    ("cognito-idp", "AdminGetUser"),
    ("cognito-identity", "GetCredentialsForIdentity"),
    ("cognito-identity", "SetIdentityPoolRoles"),
    ("cognito-identity", "GetId"),
    ("logs", "FilterLogEvents"),
    ("sqs", "SendMessage"),
    ("sqs", "ReceiveMessage"),
    ("sts", "AssumeRole"),
    ("sts", "GetCallerIdentity"),
    ("iam", "CreateRole"),
    ("iam", "SimulatePrincipalPolicy"),
    ("iam", "GetAccountAuthorizationDetails"),
    ("cloudformation", "CreateStack"),
    ("cloudformation", "DescribeStacks"),
    ("apigateway", "CreateRestApi"),
    ("apigateway", "PutIntegration"),
    ("apigateway", "GetRestApis"),
    ("apigateway", "UpdateUsagePlan"),
    ("apigateway", "UntagResource"),
    ("lambda", "CreateFunction"),
    ("lambda", "Invoke"),
    ("lambda", "GetFunction"),
    ("lambda", "ListEventSourceMappings"),
    ("lambda", "AddPermission"),
]
_LOADER = botocore.loaders.Loader()


def botocore_operation(service: str, operation: str) -> Any:
    document = _LOADER.load_service_model(service, "service-2")
    return botocore.model.ServiceModel(document, service).operation_model(operation)


def our_model(service: str) -> ServiceModel:
    return load_service_model(service, SERVICES[service].api_version)


text = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cc")), min_size=1, max_size=20
)
# What fits in a URL label or a header without being changed by a hop on the way.
plain_text = st.text("abcXYZ019-_:/@ %+", min_size=1, max_size=20).filter(lambda t: t.strip() == t)
moments = st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)


def values(shape: Shape, *, depth: int, location: str | None = None) -> st.SearchStrategy[Any]:
    if shape.is_document:
        return st.none()
    match shape.type:
        case "structure":
            return structures(shape, depth=depth)
        case "list" if shape.item is not None:
            return st.lists(values(shape.item.shape, depth=depth - 1, location=location), min_size=1, max_size=3)
        case "map" if shape.value is not None:
            return st.dictionaries(text, values(shape.value.shape, depth=depth - 1), min_size=1, max_size=3)
        case "boolean":
            return st.booleans()
        case "integer" | "long":
            return st.integers(-(2**31), 2**31)
        case "float" | "double":
            return st.floats(-1e9, 1e9, allow_nan=False).map(float)
        case "timestamp":
            return moments if location != "header" else moments.map(lambda at: at.replace(microsecond=0))
        case "blob":
            return st.binary(min_size=1, max_size=20)
        case _:
            return plain_text if location is not None else text


def structures(shape: Shape, *, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, member in shape.members.items():
        if depth <= 0 and member.shape.type in {"structure", "list", "map"}:
            continue
        if member.shape.is_document or member.location == "statusCode":
            continue
        strategy = values(member.shape, depth=depth - 1, location=member.location)
        (required if member.location == "uri" else optional)[name] = strategy
    built = st.fixed_dictionaries(required, optional=optional)
    return built if required or not optional else built.filter(bool)


def as_request(serialized: Mapping[str, Any]) -> ControlRequest:
    """A serialised call as it would come over the wire."""
    request = dict(serialized)
    botocore.awsrequest.prepare_request_dict(request, endpoint_url="http://localhost:4800")
    prepared = botocore.awsrequest.create_request_object(request).prepare()
    url = prepared.url.removeprefix("http://localhost:4800")
    path, _, query = url.partition("?")
    body = prepared.body or b""
    headers = [(k.encode(), v if isinstance(v, bytes) else str(v).encode()) for k, v in prepared.headers.items()]
    return ControlRequest(
        head=head_of(prepared.method, path, path.encode(), query.encode(), headers),
        body=body.encode() if isinstance(body, str) else bytes(body),
        source_ip="127.0.0.1",
        scheme="http",
        request_id="request-1",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_what_botocore_serialises_is_parsed(service: str, operation: str, data: st.DataObject) -> None:
    ours = our_model(service).operation(operation)
    parameters = data.draw(structures(ours.input, depth=3)) if ours.input is not None else {}
    theirs = botocore_operation(service, operation)
    serializer = botocore.serialize.create_serializer(theirs.service_model.protocol, include_validation=False)
    request = as_request(serializer.serialize_to_request(parameters, theirs))

    parsed = CODECS[SERVICES[service].protocol].parse(ours, request)

    assert parsed == parameters


# Invoke's payload is read as a stream by botocore's client and not by its parser: test_edge_over_http.py has it.
@pytest.mark.parametrize(("service", "operation"), [pair for pair in OPERATIONS if pair[1] != "Invoke"])
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_what_is_rendered_botocore_parses_back(service: str, operation: str, data: st.DataObject) -> None:
    ours = our_model(service).operation(operation)
    result = data.draw(structures(ours.output, depth=4)) if ours.output is not None else {}
    theirs = botocore_operation(service, operation)
    request = as_request({"url_path": "/", "query_string": "", "method": "POST", "headers": {}, "body": b""})

    answered = {} if ours.output is None else to_snake(result, ours.output, Any, "")

    answer = CODECS[SERVICES[service].protocol].render(ours, answered, request)

    parser = botocore.parsers.create_parser(theirs.service_model.protocol)
    headers = {name.decode(): value.decode("latin-1") for name, value in answer.headers}
    parsed = parser.parse({"status_code": answer.status, "headers": headers, "body": answer.body}, theirs.output_shape)
    parsed.pop("ResponseMetadata")
    assert {name: value for name, value in parsed.items() if name in result} == result


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_row_agrees_with_its_model(service: str) -> None:
    row = SERVICES[service]
    metadata = our_model(service).metadata

    assert metadata.api_version == row.api_version
    assert metadata.protocol == row.protocol
    assert metadata.target_prefix == row.target_prefix
    assert (metadata.signing_name or metadata.endpoint_prefix) == row.scope_name


@pytest.mark.parametrize("service", SERVICES)
def test_the_models_use_no_trait_that_the_codecs_do_not_know(service: str) -> None:
    document = _LOADER.load_service_model(service, "service-2")
    known = {"shape", "documentation", "location", "locationName", "idempotencyToken", "box", "flattened"}
    known |= {"deprecated", "deprecatedMessage", "deprecatedSince", "timestampFormat", "resultWrapper", "eventpayload"}
    # On a member (ExportApi's only) botocore's own validation passes it over too; our signature's Literal does not.
    known |= {"enum"}

    for shape in document["shapes"].values():
        references = [*shape.get("members", {}).values(), *(shape[k] for k in ("member", "key", "value") if k in shape)]
        for reference in references:
            assert set(reference) <= known
            assert reference.get("location") in {None, "uri", "querystring", "header", "statusCode"}


@pytest.mark.parametrize("service", [s for s, row in SERVICES.items() if row.protocol == "rest-json"])
def test_every_rest_operation_is_found_at_its_own_address(service: str) -> None:
    model = our_model(service)
    index = UriIndex(model.request_uris)

    for name, (method, uri) in model.request_uris.items():
        path, _, query = uri.partition("?")
        filled = path.replace("{", "x-").replace("+}", "").replace("}", "")
        assert index.find(method, filled.encode(), query.encode()) == name


def test_an_encoded_slash_stays_inside_its_label() -> None:
    index = UriIndex({"GetTags": ("GET", "/tags/{resource_arn}")})

    assert index.find("GET", b"/tags/arn%3Aaws%3Aapigateway%3Aus-west-2%3A%3A%2Frestapis%2Fabc", b"") == "GetTags"
    assert index.find("GET", b"/tags/a/b", b"") is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/files", "List"),
        (b"/files/", "List"),
        (b"/files/a", "Get"),
        (b"/files/a/b", "GetBelow"),
        (b"/files/" + b"/".join([b"x"] * 100), "GetBelow"),
        (b"/files/a/b/versions", "GetBelow"),
        (b"/other", None),
        (b"/", None),
    ],
)
def test_a_path_is_found_by_its_length_and_what_is_greedy_takes_any(path: bytes, name: str | None) -> None:
    index = UriIndex({"List": ("GET", "/files"), "GetBelow": ("GET", "/files/{key+}"), "Get": ("GET", "/files/{name}")})

    assert [index.find("GET", path, b"") for _ in range(2)] == [name, name]
    assert index.find("BREW", path, b"") is None


def request_with(body: bytes, content_type: str) -> ControlRequest:
    return ControlRequest(
        head=head_of("POST", "/", b"/", b"", [(b"content-type", content_type.encode())]),
        body=body,
        source_ip="",
        scheme="http",
        request_id="r",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("body", "text_of_refusal"),
    [
        (b"{", "the body is not valid JSON"),
        (b"[]", "Start of structure or map found where not expected."),
        (b'{"PoolName": 5}', "NUMBER_VALUE can not be converted to String"),
        (b'{"PoolName": true}', "TRUE_VALUE can not be converted to String"),
        (b'{"Policies": []}', "Start of list found where not expected"),
        (b'{"UserPoolTags": "x"}', "Unexpected field type"),
        (b'{"Policies": {"PasswordPolicy": {"MinimumLength": "8"}}}', "STRING_VALUE can not be converted to Integer"),
        (
            b'{"Policies": {"PasswordPolicy": {"MinimumLength": 9223372036854775808}}}',
            "NUMBER_VALUE can not be converted to Integer",
        ),
        (b'{"Policies": {"PasswordPolicy": {"MinimumLength": 1e99}}}', "NUMBER_VALUE can not be converted to Integer"),
        (b"{\xff}", "the body is not valid JSON"),
        (b"[" * 100_000, "the body is not valid JSON"),
    ],
)
def test_json_of_another_form_is_refused_without_repeating_values(body: bytes, text_of_refusal: str) -> None:
    operation = our_model("cognito-idp").operation("CreateUserPool")

    with pytest.raises(MalformedRequest) as refusal:
        CODECS["json"].parse(operation, request_with(body, "application/x-amz-json-1.1"))

    assert refusal.value.message == text_of_refusal


def test_a_json_null_is_a_member_that_was_not_sent() -> None:
    operation = our_model("cognito-idp").operation("CreateUserPool")
    request = request_with(b'{"PoolName": "p", "Policies": null}', "application/x-amz-json-1.1")

    assert CODECS["json"].parse(operation, request) == {"PoolName": "p"}


@pytest.mark.parametrize(
    ("service", "operation", "body", "path"),
    [
        ("cognito-idp", "CreateUserPool", b'{"PoolNam": "p"}', "PoolNam"),
        (
            "cognito-idp",
            "CreateUserPool",
            b'{"Policies": {"PasswordPolicy": {"Max": 1}}}',
            "Policies.PasswordPolicy.Max",
        ),
        ("sts", "AssumeRole", b"Action=AssumeRole&Version=2011-06-15&RoleArnn=x", "RoleArnn"),
        ("sts", "AssumeRole", b"Tags.member.1.Kee=x", "Tags.Kee"),
        ("sts", "AssumeRole", b"Tags.element.1.Key=x", "Tags.element"),
        ("sts", "AssumeRole", b"RoleArn.x=1", "RoleArn.x"),
        ("sts", "GetCallerIdentity", b"Action=GetCallerIdentity&Who=me", "Who"),
        ("lambda", "CreateFunction", b'{"Nam": 1}', "Nam"),
    ],
)
def test_a_member_the_model_does_not_know_is_named(service: str, operation: str, body: bytes, path: str) -> None:
    row = SERVICES[service]
    kind = "application/x-www-form-urlencoded" if row.protocol == "query" else "application/json"

    with pytest.raises(UnknownMember) as refusal:
        CODECS[row.protocol].parse(our_model(service).operation(operation), request_with(body, kind))

    assert refusal.value.message == path


@pytest.mark.parametrize(
    "body",
    [
        b"Tags.member.x.Key=1",
        b"Tags=1",
        b"DurationSeconds=soon",
        b"RoleArn=%ff",
        b"Tags.member.1=1&Tags.member.1.Key=2",
        b"RoleArn=a&RoleArn=a",
        b"Action=AssumeRole&Action=GetCallerIdentity",
        b"&".join(b"a%d=1" % n for n in range(10_001)),
    ],
)
def test_a_form_that_is_no_tree_of_the_shape_is_refused(body: bytes) -> None:
    operation = our_model("sts").operation("AssumeRole")

    with pytest.raises(MalformedRequest):
        CODECS["query"].parse(operation, request_with(body, "application/x-www-form-urlencoded"))


def test_list_members_are_taken_in_the_order_of_their_numbers() -> None:
    operation = our_model("sts").operation("AssumeRole")
    body = b"TransitiveTagKeys.member.10=c&TransitiveTagKeys.member.2=b&TransitiveTagKeys.member.1=a"

    parsed = CODECS["query"].parse(operation, request_with(body, "application/x-www-form-urlencoded"))

    assert parsed == {"TransitiveTagKeys": ["a", "b", "c"]}


def test_a_blob_in_json_is_base64_and_nothing_else() -> None:
    operation = our_model("lambda").operation("CreateFunction")
    good = b'{"Code": {"ZipFile": "%s"}}' % base64.b64encode(b"zip")

    parsed = CODECS["rest-json"].parse(operation, request_with(good, "application/json"))

    assert parsed == {"Code": {"ZipFile": b"zip"}}
    with pytest.raises(MalformedRequest, match="the value is not base64"):
        CODECS["rest-json"].parse(operation, request_with(b'{"Code": {"ZipFile": "***"}}', "application/json"))


def test_xml_carries_every_character_it_can() -> None:
    operation = our_model("sts").operation("GetCallerIdentity")
    answer = CODECS["query"].render(operation, {"arn": "a<b>&\"'\r\n\t\x00é"}, request_with(b"", ""))
    theirs = botocore_operation("sts", "GetCallerIdentity")

    parsed = botocore.parsers.create_parser("query").parse(
        {"status_code": 200, "headers": {}, "body": answer.body}, theirs.output_shape
    )

    assert parsed["Arn"] == "a<b>&\"'\r\n\t\N{REPLACEMENT CHARACTER}é"


def test_sts_answers_in_json_to_who_asks_for_it() -> None:
    operation = our_model("sts").operation("GetCallerIdentity")
    head = head_of("POST", "/", b"/", b"", [(b"accept", b"application/json")])
    asking = msgspec.structs.replace(request_with(b"", "application/x-www-form-urlencoded"), head=head)

    answer = CODECS["query"].render(operation, {"account": "123456789012"}, asking)

    assert answer.body == (
        b'{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"123456789012"},'
        b'"ResponseMetadata":{"RequestId":"r"}}}'
    )

"""Every refusal, to the byte: status, `x-amzn-ErrorType` and body as AWS sends them. One test per row of the table."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from support.gateway import ACCOUNT, API_KEY, REGION, Gateway, allow, header
from velvetrope.apigateway.patches import PatchOperation
from velvetrope.execute_api import GatewayResponse, IncomingRequest
from velvetrope.store import Database

_MISSING = b'{"message":"Missing Authentication Token"}'
_FORBIDDEN = b'{"message":"Forbidden"}'


def _is(response: GatewayResponse, status: int, error_type: str, body: bytes) -> bool:
    assert (response.status, header(response, "x-amzn-ErrorType"), response.body) == (status, error_type, body)
    return True


def _message(response: GatewayResponse) -> str:
    return str(json.loads(response.body)["message"])


def _changed(request: IncomingRequest, **changes: Any) -> IncomingRequest:
    return msgspec.structs.replace(request, **changes)


def _without(request: IncomingRequest, *names: bytes) -> IncomingRequest:
    return _changed(request, headers=tuple(h for h in request.headers if h[0].lower() not in names))


async def test_every_answer_has_ids_length_and_type_in_http_1_casing(gateway: Gateway) -> None:
    response = await gateway.get("/nowhere")

    request_id, extended = header(response, "x-amzn-RequestId"), header(response, "x-amz-apigw-id")
    assert request_id is not None
    assert extended is not None
    assert [len(part) for part in request_id.split("-")] == [8, 4, 4, 4, 12]
    assert request_id[14] == "4"
    assert extended.endswith("=")
    assert len(base64.b64decode(extended)) == 11
    assert header(response, "Content-Type") == "application/json"
    assert header(response, "Content-Length") == "42"
    assert not any(name.lower().startswith(b"access-control") for name, _ in response.headers)


# Stage and route


async def test_unknown_stage_and_unknown_api_are_forbidden(gateway: Gateway) -> None:
    assert _is(await gateway.get("/open", stage="other"), 403, "ForbiddenException", _FORBIDDEN)
    assert _is(await gateway.get("", stage=""), 403, "ForbiddenException", _FORBIDDEN)
    gateway.api_id = "unknown"
    assert _is(await gateway.get("/open"), 403, "ForbiddenException", _FORBIDDEN)


async def test_unknown_path_is_a_missing_token(gateway: Gateway) -> None:
    assert _is(await gateway.get("/nowhere"), 403, "MissingAuthenticationTokenException", _MISSING)


async def test_unknown_method_is_a_missing_token_and_never_405(gateway: Gateway) -> None:
    response = await gateway.call(gateway.request("DELETE", "/open"))

    assert _is(response, 403, "MissingAuthenticationTokenException", _MISSING)


@pytest.mark.parametrize("path", ["/nowhere", "/iam"])
async def test_bearer_token_where_no_one_reads_it(gateway: Gateway, path: str) -> None:
    response = await gateway.get(path, headers={"Authorization": "Bearer abc"})

    digest = base64.b64encode(hashlib.sha256(b"Bearer abc").digest()).decode()
    assert header(response, "x-amzn-ErrorType") == "IncompleteSignatureException"
    assert response.status == 403
    assert _message(response) == (
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{digest}'."
    )


async def test_padded_token_where_no_one_reads_it_misses_every_part(gateway: Gateway) -> None:
    response = await gateway.get("/nowhere", headers={"Authorization": "Bearer abc="})

    assert header(response, "x-amzn-ErrorType") == "IncompleteSignatureException"
    assert _message(response).startswith(
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
        "Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a "
        "'X-Amz-Date' or a 'Date' header. "
    )


async def test_good_signature_on_an_unknown_path_is_a_missing_token_and_a_bad_one_is_named(gateway: Gateway) -> None:
    session = gateway.role_session()
    request = gateway.request("GET", "/nowhere")

    good = await gateway.call(gateway.signed(request, session))
    bad = await gateway.call(gateway.signed(request, session, secret="other"))

    assert _is(good, 403, "MissingAuthenticationTokenException", _MISSING)
    assert header(bad, "x-amzn-ErrorType") == "InvalidSignatureException"


# API keys


async def test_missing_wrong_disabled_and_planless_keys_are_told_alike(gateway: Gateway) -> None:
    plan_id, key_id = await gateway.plan_with_key()
    await gateway.plane.create_api_key(value="planless-key-0123456789", enabled=True)

    missing = await gateway.get("/no-auth")
    wrong = await gateway.get("/no-auth", api_key="wrong-key-0123456789")
    planless = await gateway.get("/no-auth", api_key="planless-key-0123456789")
    good = await gateway.get("/no-auth", api_key=API_KEY)
    await gateway.plane.update_api_key(
        api_key=key_id, patch_operations=(PatchOperation(op="replace", path="/enabled", value="false"),)
    )
    disabled = await gateway.get("/no-auth", api_key=API_KEY)
    await gateway.plane.delete_usage_plan_key(usage_plan_id=plan_id, key_id=key_id)

    assert good.status == 200
    for response in (missing, wrong, planless, disabled):
        assert _is(response, 403, "ForbiddenException", _FORBIDDEN)
    reasons = [record.steps[-1].reason for record in gateway.log.recent(10, only_refused=True)]
    assert reasons[0] == f"API key {key_id} is disabled"
    assert "is in no usage plan for stage latest" in reasons[1]
    assert API_KEY not in repr(gateway.log.recent(10))


async def test_a_key_of_another_stages_plan_does_not_open_this_one(gateway: Gateway) -> None:
    await gateway.plan_with_key()
    await gateway.plane.create_deployment(rest_api_id=gateway.api_id, stage_name="second")

    assert _is(await gateway.get("/no-auth", api_key=API_KEY, stage="second"), 403, "ForbiddenException", _FORBIDDEN)


async def test_a_key_header_on_a_method_without_keys_is_not_looked_at(gateway: Gateway) -> None:
    assert (await gateway.get("/open", api_key="whatever")).status == 200


# Signatures


async def test_unsigned_request_to_a_protected_method(gateway: Gateway) -> None:
    assert _is(await gateway.get("/iam"), 403, "MissingAuthenticationTokenException", _MISSING)


async def test_the_authorizer_comes_before_the_key(gateway: Gateway) -> None:
    """A caller who has neither hears about the signature, whatever key was sent."""
    assert _is(await gateway.get("/require-auth"), 403, "MissingAuthenticationTokenException", _MISSING)
    assert _is(
        await gateway.get("/require-auth", api_key="wrong-key-0123456789"),
        403,
        "MissingAuthenticationTokenException",
        _MISSING,
    )


async def test_wrong_secret_is_shown_the_canonical_string(gateway: Gateway) -> None:
    gateway.user()
    request = gateway.signed(gateway.request("GET", "/iam"), gateway.user(), secret="wrong")

    response = await gateway.call(request)

    empty = hashlib.sha256(b"").hexdigest()
    canonical = (
        f"GET\n/_api/{gateway.api_id}/latest/iam\n\nhost:localhost:4800\nx-amz-date:20260101T000000Z\n\n"
        f"host;x-amz-date\n{empty}"
    )
    scope = f"20260101/{REGION}/execute-api/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n20260101T000000Z\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    assert header(response, "x-amzn-ErrorType") == "InvalidSignatureException"
    assert response.status == 403
    assert _message(response) == (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.\n\n"
        f"The Canonical String for this request should have been\n'{canonical}'\n\n"
        f"The String-to-Sign should have been\n'{to_sign}'\n"
    )


@pytest.mark.parametrize("altered", ["path", "query", "body", "header", "method"])
async def test_an_altered_request_is_an_invalid_signature(gateway: Gateway, altered: str) -> None:
    user = gateway.user()
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:user/alice"] = allow("*")
    request = gateway.signed(gateway.request("POST", "/iam?a=1", body=b'{"a":1}'), user)
    changes: dict[str, dict[str, Any]] = {
        "path": {"raw_path": request.raw_path + b"/1", "stage_path": request.stage_path + b"/1", "method": "POST"},
        "query": {"query_string": b"a=2"},
        "body": {"body": b'{"a":2}'},
        "header": {"headers": tuple((n, b"evil" if n == b"Host" else v) for n, v in request.headers)},
        "method": {"method": "GET"},
    }

    assert (await gateway.call(request)).status == 200
    response = await gateway.call(_changed(request, **changes[altered]))

    assert (response.status, header(response, "x-amzn-ErrorType")) == (403, "InvalidSignatureException")


async def test_stale_and_future_signatures(gateway: Gateway) -> None:
    user = gateway.user()
    stale = gateway.signed(gateway.request("GET", "/iam"), user)
    gateway.clock.advance(timedelta(minutes=10))
    late = await gateway.call(_changed(stale, received_at=gateway.clock.now()))
    ahead = gateway.signed(gateway.request("GET", "/iam"), user)
    early = await gateway.call(_changed(ahead, received_at=gateway.clock.now() - timedelta(minutes=6)))

    assert _is(
        late,
        403,
        "InvalidSignatureException",
        b'{"message":"Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z '
        b'(20260101T001000Z - 5 min.)"}',
    )
    assert header(early, "x-amzn-ErrorType") == "InvalidSignatureException"
    assert _message(early).startswith("Signature not yet current: 20260101T001000Z is still later than")


async def test_signature_for_another_service_or_region(gateway: Gateway) -> None:
    response = await gateway.call(
        gateway.signed(gateway.request("GET", "/iam"), gateway.user(), service="s3", region="eu-west-1")
    )

    assert (response.status, header(response, "x-amzn-ErrorType")) == (403, "InvalidSignatureException")
    assert _message(response) == (
        "Credential should be scoped to a valid region, not 'eu-west-1'. "
        "Credential should be scoped to correct service: 'execute-api'. "
    )


async def test_unknown_access_key(gateway: Gateway) -> None:
    user = gateway.user()
    gateway.callers.users.clear()

    response = await gateway.call(gateway.signed(gateway.request("GET", "/iam"), user))

    assert _is(
        response,
        403,
        "UnrecognizedClientException",
        b'{"message":"The security token included in the request is invalid."}',
    )


async def test_session_tokens_that_are_altered_foreign_missing_or_expired(gateway: Gateway, database: Database) -> None:
    session, other = gateway.role_session(), gateway.role_session()
    foreign = Gateway(database, seed=1).role_session()
    request = gateway.signed(gateway.request("GET", "/iam"), session)

    def with_token(token: bytes) -> IncomingRequest:
        kept = tuple(h for h in request.headers if h[0].lower() != b"x-amz-security-token")
        return _changed(request, headers=(*kept, (b"X-Amz-Security-Token", token)))

    tokens = {
        "altered": session.session_token[:-4].encode() + b"AAAA",
        "of another key": other.session_token.encode(),
        "of another server": foreign.session_token.encode(),
        "undefined": b"undefined",
    }
    for name, token in tokens.items():
        response = await gateway.call(with_token(token))
        assert (response.status, header(response, "x-amzn-ErrorType")) == (403, "UnrecognizedClientException"), name
        assert _message(response) == "The security token included in the request is invalid", name
    missing = await gateway.call(_without(request, b"x-amz-security-token"))
    gateway.clock.advance(timedelta(hours=1))
    expired = await gateway.call(gateway.signed(gateway.request("GET", "/iam"), session))

    assert header(missing, "x-amzn-ErrorType") == "UnrecognizedClientException"
    assert _is(
        expired, 403, "ExpiredTokenException", b'{"message":"The security token included in the request is expired"}'
    )


async def test_token_added_after_signing_is_accepted(gateway: Gateway) -> None:
    """API Gateway's generated JavaScript SDK does so."""
    session = gateway.role_session()
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:role/authenticated"] = allow("*")
    bare = msgspec.structs.replace(gateway.request("GET", "/iam"))
    tokenless = type(session)(session.access_key_id, session.secret_access_key, "", session.expiration)
    request = gateway.signed(bare, tokenless)

    added = (b"x-amz-security-token", session.session_token.encode())
    response = await gateway.call(_changed(request, headers=(*request.headers, added)))

    assert response.status == 200


async def test_method_override_counts_only_when_it_was_signed(gateway: Gateway) -> None:
    user = gateway.user()
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:user/alice"] = allow(gateway.arn("POST/iam"))
    plain = gateway.signed(gateway.request("GET", "/iam"), user)
    signed = gateway.signed(gateway.request("GET", "/iam", headers={"X-HTTP-Method-Override": "POST"}), user)

    added = await gateway.call(_changed(plain, headers=(*plain.headers, (b"X-HTTP-Method-Override", b"POST"))))

    assert (added.status, header(added, "x-amzn-ErrorType")) == (403, "InvalidSignatureException")
    assert (await gateway.call(signed)).status == 200


# Policies


async def test_guest_is_refused_by_policy_with_a_masked_resource(gateway: Gateway) -> None:
    guest = gateway.role_session("guest")
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:role/guest"] = allow(gateway.arn("GET/open"))

    response = await gateway.call(gateway.signed(gateway.request("GET", "/require-auth", api_key=API_KEY), guest))

    masked = f"arn:aws:execute-api:{REGION}:********1111:{gateway.api_id}/latest/GET/require-auth"
    assert _is(
        response,
        403,
        "AccessDeniedException",
        (
            f'{{"Message":"User: arn:aws:sts::{ACCOUNT}:assumed-role/guest/CognitoIdentityCredentials is not '
            f"authorized to perform: execute-api:Invoke on resource: {masked} "
            'because no identity-based policy allows the execute-api:Invoke action"}'
        ).encode(),
    )
    record = gateway.log.recent(1)[0]
    assert (record.outcome, record.status, record.code) == ("refused", 403, "AccessDeniedException")
    assert [step.name for step in record.steps] == ["route", "authentication", "authorization"]
    assert "inline policy invoke-api" in record.steps[-1].reason
    assert record.principal_arn.endswith("assumed-role/guest/CognitoIdentityCredentials")


async def test_explicit_deny_says_so(gateway: Gateway) -> None:
    user = gateway.user()
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:user/alice"] = allow("*", effect="Deny")

    response = await gateway.call(gateway.signed(gateway.request("GET", "/iam"), user))

    assert header(response, "x-amzn-ErrorType") == "AccessDeniedException"
    assert json.loads(response.body)["Message"].endswith("/GET/iam with an explicit deny in an identity-based policy")


async def test_policies_see_the_path_that_was_called(gateway: Gateway) -> None:
    user = gateway.user()
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:user/alice"] = allow(gateway.arn("GET/iam/mine"))

    mine = await gateway.call(gateway.signed(gateway.request("GET", "/iam/mine"), user))
    yours = await gateway.call(gateway.signed(gateway.request("GET", "/iam/yours"), user))

    assert (mine.status, yours.status) == (200, 403)


@pytest.mark.parametrize("path", ["/iam/secret", "/iam/secret/", "/iam/%73ecret", "/iam/s%65cret/"])
async def test_a_deny_is_not_passed_by_another_spelling(gateway: Gateway, path: str) -> None:
    user = gateway.user()
    everything, secret = allow("*"), allow(gateway.arn("GET/iam/secret"), effect="Deny")
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:user/alice"] = type(everything)(
        identity=everything.identity + secret.identity
    )

    response = await gateway.call(gateway.signed(gateway.request("GET", path), user))

    assert header(response, "x-amzn-ErrorType") == "AccessDeniedException"


async def test_dot_segments_do_not_make_one_signature_good_for_two_routes(gateway: Gateway) -> None:
    user = gateway.user()
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:user/alice"] = allow("*")
    request = gateway.signed(gateway.request("GET", "/iam"), user)

    moved = _changed(
        request,
        raw_path=request.raw_path.replace(b"/iam", b"/function/../iam"),
        stage_path=request.stage_path.replace(b"/iam", b"/function/../iam"),
    )

    assert _is(await gateway.call(moved), 403, "MissingAuthenticationTokenException", _MISSING)


async def test_a_method_arn_longer_than_policies_can_name(gateway: Gateway) -> None:
    response = await gateway.call(gateway.signed(gateway.request("GET", "/iam/" + "x" * 1600), gateway.user()))

    assert (response.status, response.body) == (414, b'{"message":"Request URI too long"}')


async def test_a_body_over_ten_megabytes_is_refused_in_plain_text(gateway: Gateway) -> None:
    sent = await gateway.call(_changed(gateway.request("GET", "/open"), body=b"x" * 10_485_761))
    announced = await gateway.call(_changed(gateway.request("GET", "/open"), has_large_body=True))

    for response in (sent, announced):
        assert (response.status, response.body) == (413, b"HTTP content length exceeded 10485760 bytes.")
        assert header(response, "Content-Type") == "text/plain"
        assert header(response, "x-amzn-RequestId") is not None
    assert [record.steps[-1].name for record in gateway.log.recent(2)] == ["size", "size"]
    assert (await gateway.call(_changed(gateway.request("GET", "/open"), body=b"x" * 10_485_760))).status == 200


# CORS on refusals


async def test_refusals_carry_cors_headers_when_the_lane_was_made_so(database: Database) -> None:
    gateway = Gateway(database, cors=True)
    await gateway.deploy({"paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}}})

    response = await gateway.get("/nowhere")

    assert header(response, "Access-Control-Allow-Origin") == "*"
    assert header(response, "Access-Control-Expose-Headers") == "x-amzn-ErrorType,x-amzn-RequestId,Date"
    assert response.body == _MISSING

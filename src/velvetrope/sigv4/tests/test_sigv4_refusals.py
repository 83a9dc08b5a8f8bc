"""Every refusal of the reading and the proof, each with AWS's sentence, and the boundary beside it."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from velvetrope.secret import Secret
from velvetrope.sigv4 import (
    ExpiredSessionToken,
    HeadersNotSigned,
    HostNotSigned,
    InvalidSessionToken,
    MalformedQueryString,
    NoSignature,
    ScopeMismatch,
    SignatureExpired,
    SignatureIncomplete,
    SignatureMismatch,
    SignatureNotYetCurrent,
    SignatureRefused,
    SignedRequest,
    UnknownAccessKey,
    VerifiedSignature,
    check_scope,
    parse_authorization,
    sign_request,
    string_to_sign,
    verify_signature,
)
from velvetrope.sigv4.canonical import canonical_request
from velvetrope.sigv4.verification import calculate_signature

SECRET = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = datetime(2020, 1, 1, 0, 10, tzinfo=UTC)
SCOPE = "AKIDEXAMPLE/20200101/us-west-2/execute-api/aws4_request"
DIGEST_OF_BEARER_ABC = "w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY="


def plain(
    *headers: tuple[bytes, bytes], path: bytes = b"/prod/x", query: bytes = b"", body: bytes = b""
) -> SignedRequest:
    return SignedRequest("GET", path, query, ((b"Host", b"api.example"), *headers), body)


def signed(request: SignedRequest, *, at: datetime = NOW, session_token: str | None = None) -> SignedRequest:
    return sign_request(
        request,
        access_key_id="AKIDEXAMPLE",
        secret=SECRET,
        service="execute-api",
        region="us-west-2",
        now=at,
        session_token=session_token,
    )


def verify(request: SignedRequest, *, now: datetime = NOW, secret: Secret[str] = SECRET) -> VerifiedSignature:
    presented = parse_authorization(request, now=now)
    return verify_signature(request, presented, secret=secret, service="execute-api", region="us-west-2", now=now)


def presigned(*, at: datetime = NOW, expires: str | None = None, token: str | None = None) -> SignedRequest:
    text = at.strftime("%Y%m%dT%H%M%SZ")
    query = (
        f"q=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={quote(SCOPE, safe='')}"
        f"&X-Amz-Date={text}&X-Amz-SignedHeaders=host"
    )
    query += f"&X-Amz-Expires={expires}" if expires is not None else ""
    query += f"&X-Amz-Security-Token={quote(token, safe='')}" if token is not None else ""
    draft = plain(query=f"{query}&X-Amz-Signature=x".encode())
    claim = parse_authorization(draft, now=at)
    canonical = canonical_request(draft, claim.signed_headers, without_signature=True)
    signature = calculate_signature(
        string_to_sign(claim, canonical), secret=SECRET, date="20200101", service="execute-api", region="us-west-2"
    )
    return plain(query=f"{query}&X-Amz-Signature={signature}".encode())


def with_authorization(value: str, *headers: tuple[bytes, bytes]) -> SignedRequest:
    return plain((b"Authorization", value.encode()), *headers)


DATE = (b"X-Amz-Date", b"20200101T001000Z")


def refusal_of(request: SignedRequest, *, now: datetime = NOW) -> SignatureRefused:
    with pytest.raises(SignatureRefused) as refusal:
        verify(request, now=now)
    return refusal.value


def test_a_signed_request_is_verified() -> None:
    verified = verify(signed(plain(path=b"/prod/a%20b", query=b"b=1&a=%2F", body=b"x")))

    assert verified.access_key_id == "AKIDEXAMPLE"
    assert verified.signed_headers == (b"host", b"x-amz-date")


def test_an_unsigned_request_has_no_signature() -> None:
    refusal = refusal_of(plain())

    assert isinstance(refusal, NoSignature)
    assert refusal.message == "Request is missing Authentication Token"
    assert refusal.incomplete is None


def test_a_header_of_another_scheme_is_no_signature_and_tells_how_it_reads_as_one() -> None:
    refusal = refusal_of(with_authorization("Bearer abc"))

    assert isinstance(refusal, NoSignature)
    assert refusal.incomplete is not None
    assert refusal.incomplete.message == (
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{DIGEST_OF_BEARER_ABC}'."
    )


def test_a_header_of_another_scheme_with_an_equals_sign_lacks_every_parameter() -> None:
    refusal = refusal_of(with_authorization("Bearer abc="))

    assert isinstance(refusal, NoSignature)
    assert refusal.incomplete is not None
    assert refusal.incomplete.message.startswith(
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
        "Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either "
        "a 'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) Authorization="
    )
    assert "abc" not in refusal.incomplete.message


def test_only_missing_parts_are_listed() -> None:
    refusal = refusal_of(with_authorization(f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host", DATE))

    assert type(refusal) is SignatureIncomplete
    assert refusal.message.startswith("Authorization header requires 'Signature' parameter. (Hashed")


def test_a_missing_date_is_named() -> None:
    refusal = refusal_of(with_authorization(f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=x"))

    assert refusal.message.startswith("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date'")


def test_a_bare_word_among_the_parameters_is_refused() -> None:
    refusal = refusal_of(with_authorization(f"AWS4-HMAC-SHA256 Credential={SCOPE} oops", DATE))

    assert type(refusal) is SignatureIncomplete
    assert refusal.message.startswith("Invalid key=value pair (missing equal-sign) in Authorization header (hashed")


@pytest.mark.parametrize("algorithm", ["AWS4-ECDSA-P256-SHA256", "AWS4-HMAC-SHA512", "AWS4-"])
def test_another_algorithm_is_refused_by_name(algorithm: str) -> None:
    refusal = refusal_of(with_authorization(f"{algorithm} Credential={SCOPE}, SignedHeaders=host, Signature=x", DATE))

    assert type(refusal) is SignatureIncomplete
    assert refusal.message == f"Unsupported AWS 'algorithm': '{algorithm}'."


def test_host_must_be_signed() -> None:
    refusal = refusal_of(
        with_authorization(f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=x-amz-date, Signature=x", DATE)
    )

    assert isinstance(refusal, HostNotSigned)
    assert refusal.message == "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."


@pytest.mark.parametrize(
    "text",
    [
        "20200101",
        "20200101T001000",
        "20201301T001000Z",
        "2020-01-01T00:10:00+0",
        "yesterday",
        "\uff12\uff10\uff12\uff10\uff10\uff11\uff10\uff11T001000Z",
    ],
)
def test_a_date_in_another_form_is_refused(text: str) -> None:
    request = with_authorization(
        f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=x", (b"X-Amz-Date", text.encode())
    )

    refusal = refusal_of(request)

    assert type(refusal) is SignatureIncomplete
    assert refusal.message.startswith("Date must be in ISO-8601 'basic format'. Got '")
    assert refusal.message.endswith("'. See http://en.wikipedia.org/wiki/ISO_8601")


@pytest.mark.parametrize("name", [b"X-Amz-Date", b"Date"])
@pytest.mark.parametrize("text", [b"20200101T001000Z", b"2020-01-01T00:10:00Z", b"Wed, 01 Jan 2020 00:10:00 GMT"])
def test_a_date_may_come_in_three_forms_and_is_signed_in_the_basic_one(name: bytes, text: bytes) -> None:
    request = plain((name, text))
    draft = replace(
        request,
        headers=(
            *request.headers,
            (b"Authorization", f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=x".encode()),
        ),
    )

    presented = parse_authorization(draft, now=NOW)

    assert presented.timestamp == NOW
    assert presented.timestamp_text == "20200101T001000Z"


def test_x_amz_date_goes_before_date() -> None:
    draft = with_authorization(
        f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=x",
        (b"Date", b"Wed, 01 Jan 2020 00:09:00 GMT"),
        DATE,
    )

    assert parse_authorization(draft, now=NOW).timestamp == NOW


def test_exactly_five_minutes_old_is_in_time() -> None:
    verify(signed(plain(), at=NOW - timedelta(minutes=5)))


def test_a_second_more_than_five_minutes_old_has_expired() -> None:
    refusal = refusal_of(signed(plain(), at=NOW - timedelta(minutes=5, seconds=1)))

    assert isinstance(refusal, SignatureExpired)
    assert refusal.message == (
        "Signature expired: 20200101T000459Z is now earlier than 20200101T000500Z (20200101T001000Z - 5 min.)"
    )


def test_exactly_five_minutes_ahead_is_in_time() -> None:
    verify(signed(plain(), at=NOW + timedelta(minutes=5)))


def test_a_second_more_than_five_minutes_ahead_is_not_yet_current() -> None:
    refusal = refusal_of(signed(plain(), at=NOW + timedelta(minutes=5, seconds=1)))

    assert isinstance(refusal, SignatureNotYetCurrent)
    assert refusal.message == (
        "Signature not yet current: 20200101T001501Z is still later than 20200101T001500Z (20200101T001000Z + 5 min.)"
    )


def test_a_claim_read_in_time_is_refused_when_proven_too_late() -> None:
    request = signed(plain())
    presented = parse_authorization(request, now=NOW)

    with pytest.raises(SignatureExpired):
        verify_signature(
            request,
            presented,
            secret=SECRET,
            service="execute-api",
            region="us-west-2",
            now=NOW + timedelta(minutes=5, seconds=1),
        )


@pytest.mark.parametrize(
    "credential", ["AKIDEXAMPLE", "AKIDEXAMPLE/20200101/us-west-2/execute-api", f"{SCOPE}/more", f"{SCOPE}/"]
)
def test_a_credential_has_exactly_five_elements(credential: str) -> None:
    refusal = refusal_of(
        with_authorization(f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=x", DATE)
    )

    assert type(refusal) is SignatureIncomplete
    assert refusal.message == (
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
        f"got '{credential}'"
    )


@pytest.mark.parametrize(
    ("credential", "message"),
    [
        (
            "K/20200101/eu-west-1/execute-api/aws4_request",
            "Credential should be scoped to a valid region, not 'eu-west-1'. ",
        ),
        (
            "K/20200101/us-west-2/lambda/aws4_request",
            "Credential should be scoped to correct service: 'execute-api'. ",
        ),
        (
            "K/20200101/us-west-2/Execute-Api/aws4_request",
            "Credential should be scoped to correct service: 'execute-api'. ",
        ),
        (
            "K/20200101/us-west-2/execute-api/aws4",
            "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws4'. ",
        ),
        (
            "K/20191231/us-west-2/execute-api/aws4_request",
            (
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                "'20191231' != '20200101', from '20200101T001000Z'. "
            ),
        ),
        (
            "K/20200101/a/b/aws4_request",
            (
                "Credential should be scoped to a valid region, not 'a'. "
                "Credential should be scoped to correct service: 'execute-api'. "
            ),
        ),
    ],
)
def test_a_scope_that_differs_is_refused_with_a_sentence_for_each_part(credential: str, message: str) -> None:
    request = with_authorization(f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=x", DATE)
    presented = parse_authorization(request, now=NOW)

    with pytest.raises(ScopeMismatch) as refusal:
        check_scope(presented, service="execute-api", region="us-west-2")

    assert refusal.value.message == message
    assert refusal.value.detail == ("this server's region is us-west-2" if "valid region" in message else "")
    assert isinstance(refusal_of(request), ScopeMismatch)


def test_another_secret_is_a_mismatch_that_shows_what_should_have_been_signed() -> None:
    request = signed(plain())
    presented = parse_authorization(request, now=NOW)

    with pytest.raises(SignatureMismatch) as refusal:
        verify(request, secret=Secret("another"))

    canonical = canonical_request(request, presented.signed_headers)
    assert refusal.value.message == (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.\n\n"
        f"The Canonical String for this request should have been\n'{canonical.decode()}'\n\n"
        f"The String-to-Sign should have been\n'{string_to_sign(presented, canonical)}'\n"
    )
    assert refusal.value.short_message.endswith("for details.")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"method": "POST"}, id="method"),
        pytest.param({"raw_path": b"/prod/y"}, id="path"),
        pytest.param({"raw_path": b"/prod/%78"}, id="the same path, escaped"),
        pytest.param({"query_string": b"a=2"}, id="query"),
        pytest.param({"query_string": b""}, id="no query"),
        pytest.param({"body": b"other"}, id="body"),
        pytest.param({"body": b""}, id="no body"),
    ],
)
def test_a_tampered_request_is_a_mismatch(change: dict[str, object]) -> None:
    request = signed(plain(query=b"a=1", body=b"body"))

    refusal = refusal_of(replace(request, **change))

    assert isinstance(refusal, SignatureMismatch)


def test_a_tampered_signed_header_is_a_mismatch() -> None:
    request = signed(plain((b"X-Api-Key", b"one")))

    tampered = replace(request, headers=[(n, b"two" if n == b"X-Api-Key" else v) for n, v in request.headers])

    assert isinstance(refusal_of(tampered), SignatureMismatch)


def test_a_header_added_on_the_way_changes_nothing() -> None:
    request = signed(plain())

    verify(replace(request, headers=(*request.headers, (b"Via", b"1.1 proxy"))))


def test_a_second_value_for_a_signed_header_is_a_mismatch() -> None:
    request = signed(plain())

    assert isinstance(
        refusal_of(replace(request, headers=(*request.headers, (b"host", b"evil.example")))), SignatureMismatch
    )


def test_an_upper_case_signature_is_a_mismatch() -> None:
    request = signed(plain())
    name, value = request.headers[-1]
    text, _, signature = value.partition(b"Signature=")

    shouted = replace(request, headers=(*request.headers[:-1], (name, text + b"Signature=" + signature.upper())))

    assert isinstance(refusal_of(shouted), SignatureMismatch)


def test_unsigned_payload_is_not_accepted() -> None:
    """The client put UNSIGNED-PAYLOAD where the digest belongs, and signed that header."""
    request = signed(plain((b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"), body=b"x"))
    presented = parse_authorization(request, now=NOW)
    canonical = canonical_request(request, presented.signed_headers)
    unsigned = canonical.rpartition(b"\n")[0] + b"\nUNSIGNED-PAYLOAD"
    signature = calculate_signature(
        string_to_sign(presented, unsigned), secret=SECRET, date="20200101", service="execute-api", region="us-west-2"
    )
    name, value = request.headers[-1]
    head = value.partition(b"Signature=")[0]

    forged = replace(request, headers=(*request.headers[:-1], (name, head + b"Signature=" + signature.encode())))

    assert isinstance(refusal_of(forged), SignatureMismatch)


def test_a_signed_content_digest_is_a_header_like_any_other() -> None:
    verify(signed(plain((b"x-amz-content-sha256", b"whatever"), body=b"x")))


def test_the_session_token_may_come_unsigned() -> None:
    request = signed(plain())

    late = replace(request, headers=(*request.headers, (b"X-Amz-Security-Token", b"token")))

    assert parse_authorization(late, now=NOW).session_token == "token"
    verify(late)


def test_a_signed_session_token_cannot_be_swapped() -> None:
    request = signed(plain(), session_token="mine")
    swapped = replace(request, headers=[(n, v.replace(b"mine", b"thine")) for n, v in request.headers])

    assert isinstance(refusal_of(swapped), SignatureMismatch)


@pytest.mark.parametrize("name", [b"X-Amz-Target", b"x-amz-invocation-type", b"X-Amz-Anything"])
def test_an_unsigned_header_that_steers_a_service_is_refused(name: bytes) -> None:
    request = signed(plain())

    refusal = refusal_of(replace(request, headers=(*request.headers, (name, b"x"))))

    assert isinstance(refusal, HeadersNotSigned)
    assert refusal.header_names == (name.decode().lower(),)
    verify(signed(plain((name, b"x"))))


@pytest.mark.parametrize("name", [b"x-amz-content-sha256", b"X-Amz-Cf-Id", b"x-amzn-trace-id"])
def test_headers_that_clients_and_proxies_add_unsigned_are_let_through(name: bytes) -> None:
    request = signed(plain())

    verify(replace(request, headers=(*request.headers, (name, b"x"))))


def test_of_a_repeated_parameter_the_last_counts_and_of_a_repeated_header_the_first() -> None:
    request = with_authorization(
        f"AWS4-HMAC-SHA256 Credential=other, Credential={SCOPE},SignedHeaders=host,Signature=x",
        DATE,
        (b"x-amz-date", b"20200101T000900Z"),
        (b"x-amz-security-token", b"one"),
        (b"x-amz-security-token", b"two"),
    )

    presented = parse_authorization(request, now=NOW)

    assert presented.access_key_id == "AKIDEXAMPLE"
    assert presented.timestamp == NOW
    assert presented.session_token == "one"


def test_signed_headers_may_come_in_any_order() -> None:
    request = signed(plain((b"accept", b"*/*")))
    shuffled = [(n, v.replace(b"accept;host;x-amz-date", b"x-amz-date;host;accept")) for n, v in request.headers]

    verify(replace(request, headers=shuffled))


def test_a_presigned_request_is_verified() -> None:
    verified = verify(presigned(token="a+b/c="))

    assert verified.in_query


def test_a_presigned_request_with_a_changed_parameter_is_a_mismatch() -> None:
    request = presigned()

    assert isinstance(
        refusal_of(replace(request, query_string=request.query_string.replace(b"q=1", b"q=2"))), SignatureMismatch
    )


def test_a_presigned_request_with_a_body_that_was_not_signed_is_a_mismatch() -> None:
    assert isinstance(refusal_of(replace(presigned(), body=b"x")), SignatureMismatch)


def test_the_token_of_a_presigned_request_is_read_from_the_query() -> None:
    presented = parse_authorization(presigned(token="a+b/c="), now=NOW)

    assert presented.session_token == "a+b/c="
    assert "a+b/c=" not in repr(presented)


def test_missing_query_parameters_are_listed_in_order() -> None:
    refusal = refusal_of(plain(query=b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20200101T001000Z"))

    assert type(refusal) is SignatureIncomplete
    assert refusal.message == (
        "AWS query-string parameters must include 'X-Amz-Credential'. "
        "AWS query-string parameters must include 'X-Amz-Signature'. "
        "AWS query-string parameters must include 'X-Amz-SignedHeaders'. "
        "Re-examine the query-string parameters."
    )


def test_header_and_query_at_once_are_refused() -> None:
    request = presigned()

    refusal = refusal_of(replace(request, headers=signed(plain()).headers))

    assert isinstance(refusal, SignatureMismatch)
    assert refusal.message == (
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    )


def test_a_presigned_request_of_another_algorithm_has_no_signature() -> None:
    request = presigned()

    refusal = refusal_of(
        replace(request, query_string=request.query_string.replace(b"=AWS4-HMAC-SHA256", b"=AWS4-HMAC-SHA1"))
    )

    assert isinstance(refusal, NoSignature)


def test_of_a_repeated_query_parameter_the_first_counts() -> None:
    request = presigned()

    presented = parse_authorization(
        replace(request, query_string=request.query_string + b"&X-Amz-Date=20200101T000900Z"), now=NOW
    )

    assert presented.timestamp == NOW


def test_a_broken_escape_in_a_presigned_query_is_refused() -> None:
    request = presigned()

    assert isinstance(refusal_of(replace(request, query_string=request.query_string + b"&a=%")), MalformedQueryString)


@pytest.mark.parametrize(
    ("age_seconds", "expires", "good"),
    [
        (60, "60", True),
        (61, "60", False),
        (0, "0", True),
        (1, "0", False),
        (300, "3600", True),
        (301, "3600", False),
    ],
)
def test_a_presigned_request_lives_as_long_as_the_shorter_of_window_and_expiry(
    age_seconds: int, expires: str, good: bool
) -> None:
    request = presigned(at=NOW, expires=expires)
    later = NOW + timedelta(seconds=age_seconds)

    if good:
        verify(request, now=later)
    else:
        assert isinstance(refusal_of(request, now=later), SignatureExpired)


@pytest.mark.parametrize(
    ("expires", "message"),
    [
        ("soon", "X-Amz-Expires should be a number"),
        ("-1", "X-Amz-Expires must be non-negative"),
        (
            "604801",
            (
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be "
                "less than 604800 seconds"
            ),
        ),
    ],
)
def test_an_expiry_that_makes_no_sense_is_refused(expires: str, message: str) -> None:
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={SCOPE}&X-Amz-Date=20200101T001000Z"
        f"&X-Amz-SignedHeaders=host&X-Amz-Signature=x&X-Amz-Expires={expires}"
    )

    refusal = refusal_of(plain(query=query.encode()))

    assert type(refusal) is SignatureIncomplete
    assert refusal.message == message


def test_the_texts_about_keys_and_tokens_are_aws_s_own() -> None:
    assert UnknownAccessKey().message == "The security token included in the request is invalid."
    assert InvalidSessionToken().message == "The security token included in the request is invalid"
    assert ExpiredSessionToken().message == "The security token included in the request is expired"


def test_a_request_without_a_host_cannot_be_signed() -> None:
    with pytest.raises(ValueError, match="host"):
        signed(SignedRequest("GET", b"/", b"", (), b""))

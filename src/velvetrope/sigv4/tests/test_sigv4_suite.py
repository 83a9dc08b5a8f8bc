"""The AWS SigV4 test suite: every case it has, from the canonical request to the verified signature."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from velvetrope.secret import Secret
from velvetrope.sigv4 import (
    SignedRequest,
    canonical_request,
    parse_authorization,
    string_to_sign,
    verify_signature,
)

SUITE: dict[str, Any] = json.loads((Path(__file__).parent / "cases" / "aws4_testsuite.json").read_text("utf-8"))
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)


def request_of(case: dict[str, Any]) -> SignedRequest:
    return SignedRequest(
        method=case["method"],
        raw_path=case["path"].encode(),
        query_string=case["query"].encode(),
        headers=tuple((name.encode(), value.encode()) for name, value in case["headers"]),
        body=case["body"].encode(),
    )


@pytest.mark.parametrize("case", SUITE["cases"], ids=lambda case: case["name"])
def test_the_suite_is_canonicalised_signed_and_verified_as_aws_says(case: dict[str, Any]) -> None:
    request = request_of(case)

    presented = parse_authorization(request, now=NOW)
    canonical = canonical_request(request, presented.signed_headers)

    assert canonical.decode() == case["canonical_request"]
    assert string_to_sign(presented, canonical) == case["string_to_sign"]
    verified = verify_signature(
        request,
        presented,
        secret=Secret(SUITE["secret_access_key"]),
        service=SUITE["service"],
        region=SUITE["region"],
        now=NOW,
    )
    assert verified.access_key_id == SUITE["access_key_id"]


def test_the_suite_is_whole() -> None:
    assert len(SUITE["cases"]) == 34

"""What is checked of tokens of other issuers: the header's members, the signature, and each boundary of time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from velvetrope.tokens import (
    NotAToken,
    TokenExpired,
    TokenSignatureMismatch,
    check_signature,
    check_times,
    named_key,
    read_token,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")


@pytest.mark.parametrize("exp", [SECONDS + 1, SECONDS + 0.5, SECONDS + 3600])
def test_a_token_lives_until_exp(exp: float) -> None:
    check_times({"exp": exp}, NOW)


@pytest.mark.parametrize("exp", [SECONDS, SECONDS - 1, SECONDS - 0.5, 0])
@pytest.mark.parametrize("tolerance", [timedelta(0), timedelta(minutes=5)])
def test_a_token_is_dead_at_exp_whatever_the_tolerance(exp: float, tolerance: timedelta) -> None:
    with pytest.raises(TokenExpired):
        check_times({"exp": exp}, NOW, tolerance=tolerance)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused_beyond_the_tolerance(name: str) -> None:
    claims = {"exp": SECONDS + 3600}

    check_times({**claims, name: SECONDS}, NOW)
    check_times({**claims, name: SECONDS + 300}, NOW, tolerance=timedelta(minutes=5))
    for ahead, tolerance in ((1, timedelta(0)), (301, timedelta(minutes=5))):
        with pytest.raises(NotAToken, match=f"{name} is in the future"):
            check_times({**claims, name: SECONDS + ahead}, NOW, tolerance=tolerance)


@pytest.mark.parametrize("value", [None, True, "1", -1, 253_402_300_800, [], float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_what_is_no_time_is_refused(name: str, value: object) -> None:
    with pytest.raises(NotAToken, match=f"{name} is not a time"):
        check_times({"exp": SECONDS + 3600, name: value}, NOW)


def test_a_header_names_its_key_and_algorithm() -> None:
    assert named_key({"alg": "ES256", "kid": "one"}) == ("one", "ES256")
    assert named_key({"alg": "ES256"}) == (None, "ES256")


@pytest.mark.parametrize(
    "header", [{}, {"alg": None}, {"alg": 1}, {"alg": "ES256", "kid": 1}, {"alg": "ES256", "crit": []}]
)
def test_a_header_that_is_not_understood_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(NotAToken):
        named_key(header)


def test_a_signature_is_the_keys_by_the_algorithm_that_is_asked_for() -> None:
    token = jwt.encode({"alg": "ES256"}, {"exp": SECONDS}, KEY)

    check_signature(token, KEY, "ES256")
    for key, algorithm in ((OTHER, "ES256"), (KEY, "ES384"), (KEY, "HS256"), (KEY, "none")):
        with pytest.raises(TokenSignatureMismatch):
            check_signature(token, key, algorithm)


def test_a_header_with_a_member_twice_is_read_by_nobody() -> None:
    # {"alg":"ES256","alg":"none"}
    header = "eyJhbGciOiJFUzI1NiIsImFsZyI6Im5vbmUifQ"

    with pytest.raises(NotAToken):
        read_token(f"{header}.e30.AA")

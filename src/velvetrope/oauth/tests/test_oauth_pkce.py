"""PKCE against its RFC."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.oauth import (
    InvalidGrant,
    InvalidRequest,
    check_code_challenge,
    check_code_verifier,
    derive_code_challenge,
    verify_code_verifier,
)

# RFC 7636 appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def test_appendix_b_the_verifier_has_this_challenge() -> None:
    assert derive_code_challenge(VERIFIER) == CHALLENGE
    verify_code_verifier(VERIFIER, challenge=CHALLENGE)


def test_neither_challenge_nor_verifier_is_fine() -> None:
    verify_code_verifier(None, challenge=None)


@pytest.mark.parametrize(
    ("verifier", "challenge"),
    [(None, CHALLENGE), (VERIFIER, None), (VERIFIER[:-1] + "x", CHALLENGE), (CHALLENGE, CHALLENGE)],
)
def test_one_without_the_other_or_the_wrong_one_is_refused(verifier: str | None, challenge: str | None) -> None:
    with pytest.raises(InvalidGrant):
        verify_code_verifier(verifier, challenge=challenge)


@pytest.mark.parametrize("length", [43, 128])
def test_a_verifier_of_43_to_128_characters_is_one(length: int) -> None:
    check_code_verifier("~" * length)


@pytest.mark.parametrize("verifier", ["x" * 42, "x" * 129, "x" * 42 + "é", "x" * 42 + "+", "x" * 43 + "\n"])
def test_other_verifiers_are_refused(verifier: str) -> None:
    with pytest.raises(InvalidRequest):
        check_code_verifier(verifier)


@pytest.mark.parametrize("challenge", ["", CHALLENGE[:-1], CHALLENGE + "=", CHALLENGE + "A", "+" * 43])
def test_what_cannot_be_a_sha256_is_no_challenge(challenge: str) -> None:
    with pytest.raises(InvalidRequest):
        check_code_challenge(challenge)


@given(st.text(_UNRESERVED, min_size=43, max_size=128))
def test_every_verifier_verifies_against_its_own_challenge(verifier: str) -> None:
    challenge = derive_code_challenge(verifier)

    check_code_verifier(verifier)
    check_code_challenge(challenge)
    verify_code_verifier(verifier, challenge=challenge)

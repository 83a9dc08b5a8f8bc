"""Every refusal beside its permission, the classic forgeries, and the RFCs' own vectors."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.secret import Secret
from velvetrope.tokens import (
    MAX_TOKEN_CHARACTERS,
    AudienceMismatch,
    InvalidToken,
    IssuerMismatch,
    KeySet,
    NotAToken,
    SigningKey,
    TokenExpired,
    TokenSignatureMismatch,
    VerifiedToken,
    WrongTokenUse,
    claimed_issuer,
    generate_signing_key,
    render_jwks,
    sign_token,
    verify_token,
)
from velvetrope.tokens.keys import PublicKey, thumbprint

KEY = generate_signing_key()
OTHER_KEY = generate_signing_key()
KEYS = KeySet.of([KEY])
ISSUER = "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_AbCdEfGhI"
CLIENT = "1example23456789"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CASES = json.loads((Path(__file__).parent / "cases" / "rfc.json").read_text())


def id_claims(**changes: object) -> dict[str, object]:
    claims: dict[str, object] = {
        "sub": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        "iss": ISSUER,
        "aud": CLIENT,
        "token_use": "id",
        "auth_time": int(NOW.timestamp()),
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3600,
    }
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not None}


def verify(text: str, *, now: datetime = NOW) -> VerifiedToken:
    return verify_token(text, keys=KEYS, issuers=[ISSUER], token_use="id", audiences=[CLIENT], now=now)


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def encoded(members: object) -> str:
    return base64url(json.dumps(members).encode())


def signed_with_header(header: Mapping[str, object], *, key: SigningKey = KEY) -> str:
    signed = f"{encoded(header)}.{encoded(id_claims())}"
    return f"{signed}.{base64url(key.sign(signed.encode()))}"


@pytest.mark.parametrize(("innermost", "kind"), [(1, list), ({}, list), ("[", dict)])
def test_claims_nest_sixty_four_levels_and_no_more(innermost: object, kind: type) -> None:
    levels = 63 if innermost != {} else 62  # below the claims themselves
    for _ in range(levels):
        innermost = {"x": innermost} if kind is dict else [innermost]

    assert verify(sign_token(id_claims(x=innermost, y="["), KEY)).claims["x"] == innermost
    with pytest.raises(NotAToken, match="too deeply"):
        verify(sign_token(id_claims(x=[innermost], y="["), KEY))


def test_token_that_we_signed_gives_its_claims_back() -> None:
    token = verify(sign_token(id_claims(email="anna@example.com"), KEY))

    assert token.claims == id_claims(email="anna@example.com")
    assert token.sub == "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    assert token.expires_at == NOW + timedelta(hours=1)


def test_header_is_the_one_aws_writes() -> None:
    header = json.loads(base64.urlsafe_b64decode(sign_token(id_claims(), KEY).split(".")[0] + "=="))

    assert header == {"kid": KEY.kid, "alg": "RS256"}
    assert len(KEY.kid) == 44
    assert KEY.kid.endswith("=")


def test_access_token_is_checked_by_its_client_id() -> None:
    claims = id_claims(token_use="access", aud=None, client_id=CLIENT)
    text = sign_token(claims, KEY)

    token = verify_token(text, keys=KEYS, issuers=[ISSUER], token_use="access", audiences=[CLIENT], now=NOW)

    assert token.claims["client_id"] == CLIENT
    with pytest.raises(AudienceMismatch):
        verify_token(text, keys=KEYS, issuers=[ISSUER], token_use="access", audiences=["another"], now=NOW)


def test_id_token_cannot_be_verified_without_an_audience() -> None:
    with pytest.raises(TypeError):
        verify_token(sign_token(id_claims(), KEY), keys=KEYS, issuers=[ISSUER], token_use="id", audiences=None, now=NOW)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": ISSUER + "x"}, IssuerMismatch),
        ({"iss": ISSUER.replace("https://", "")}, IssuerMismatch),
        ({"token_use": "access"}, WrongTokenUse),
        ({"aud": "another"}, AudienceMismatch),
        ({"aud": None}, AudienceMismatch),
        ({"aud": [CLIENT]}, NotAToken),
        ({"exp": None}, NotAToken),
        ({"exp": "9999999999"}, NotAToken),
        ({"exp": True}, NotAToken),
        ({"exp": 1e300}, NotAToken),
        ({"exp": 10**30}, NotAToken),
        ({"iat": None}, NotAToken),
        ({"sub": None}, NotAToken),
        ({"sub": ""}, NotAToken),
        ({"token_use": None}, NotAToken),
    ],
)
def test_each_claim_has_a_refusal_of_its_own(changes: dict[str, object], reason: type[InvalidToken]) -> None:
    with pytest.raises(reason):
        verify(sign_token(id_claims(**changes), KEY))


def test_token_lives_until_the_last_moment_before_exp_and_is_dead_at_exp() -> None:
    text = sign_token(id_claims(), KEY)
    expires_at = NOW + timedelta(hours=1)

    verify(text, now=expires_at - timedelta(microseconds=1))
    with pytest.raises(TokenExpired) as refusal:
        verify(text, now=expires_at)

    assert (refusal.value.expired_at, refusal.value.now) == (expires_at, expires_at)


def test_forged_token_is_not_told_that_it_has_expired() -> None:
    with pytest.raises(TokenSignatureMismatch):
        verify(sign_token(id_claims(exp=1), OTHER_KEY))


def test_token_of_another_key_is_refused() -> None:
    with pytest.raises(TokenSignatureMismatch):
        verify(sign_token(id_claims(), OTHER_KEY))


def test_token_of_another_key_that_claims_our_kid_is_refused() -> None:
    with pytest.raises(TokenSignatureMismatch):
        verify(signed_with_header({"kid": KEY.kid, "alg": "RS256"}, key=OTHER_KEY))


def test_alg_none_is_refused() -> None:
    for alg in ("none", "None", "NONE"):
        with pytest.raises(InvalidToken):
            verify(f"{encoded({'kid': KEY.kid, 'alg': alg})}.{encoded(id_claims())}.")
        with pytest.raises(TokenSignatureMismatch):
            verify(f"{encoded({'kid': KEY.kid, 'alg': alg})}.{encoded(id_claims())}.AAAA")


def test_hs256_keyed_with_our_public_key_is_refused() -> None:
    """The confusion of CVE-2015-9235 and its many sisters: the public key used as a shared secret."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    signed = f"{encoded({'kid': KEY.kid, 'alg': 'HS256'})}.{encoded(id_claims())}"
    for form in (Encoding.PEM, Encoding.DER):
        secret = KEY.public.rsa_key.public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
        mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
        with pytest.raises(TokenSignatureMismatch):
            verify(f"{signed}.{base64url(mac)}")


@pytest.mark.parametrize("alg", ["RS384", "PS256", "ES256", "rs256", "RS256 ", ""])
def test_header_cannot_choose_another_algorithm(alg: str) -> None:
    with pytest.raises(InvalidToken):
        verify(signed_with_header({"kid": KEY.kid, "alg": alg}))


@pytest.mark.parametrize(
    "kid",
    [
        None,
        "",
        0,
        ["x"],
        {"a": 1},
        "../../dev/null",
        "' OR 1=1 --",
        pytest.param(KEY.kid.rstrip("="), id="the right one without its padding"),
    ],
)
def test_kid_is_an_exact_name_and_nothing_else(kid: object) -> None:
    with pytest.raises(InvalidToken):
        verify(signed_with_header({"kid": kid, "alg": "RS256"}))


def test_key_that_the_token_brings_along_is_not_used() -> None:
    jwk = render_jwks(KeySet.of([OTHER_KEY]))["keys"][0]
    for header in ({"jwk": jwk, "kid": KEY.kid}, {"jwk": jwk, "kid": OTHER_KEY.kid}, {"jku": "http://evil.example"}):
        with pytest.raises(InvalidToken):
            verify(signed_with_header({"alg": "RS256", **header}, key=OTHER_KEY))


def test_critical_extension_is_refused() -> None:
    with pytest.raises(NotAToken):
        verify(signed_with_header({"kid": KEY.kid, "alg": "RS256", "crit": ["b64"], "b64": False}))


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "a.b.c", "a.b.c.d.e", "..", "e30.e30.e30", "\x00.\x00.\x00", "é.é.é", "bnVsbA.bnVsbA.bnVsbA"],
)
def test_other_texts_are_not_tokens(text: str) -> None:
    with pytest.raises(NotAToken):
        verify(text)


def test_member_given_twice_is_refused() -> None:
    header = base64url(b'{"kid":"x","kid":"%s","alg":"RS256"}' % KEY.kid.encode())
    signed = f"{header}.{encoded(id_claims())}"
    with pytest.raises(NotAToken):
        verify(f"{signed}.{base64url(KEY.sign(signed.encode()))}")


def test_deep_nesting_is_refused_without_falling_over() -> None:
    deep = base64url(b"[" * 20_000)
    with pytest.raises(NotAToken):
        verify(f"{deep}.{deep[:10]}.AAAA")


def test_length_is_limited() -> None:
    too_long = sign_token(id_claims(name="x" * MAX_TOKEN_CHARACTERS), KEY)
    with pytest.raises(NotAToken):
        verify(too_long)
    verify(sign_token(id_claims(name="x" * (MAX_TOKEN_CHARACTERS // 2)), KEY))


@pytest.mark.parametrize("spoil", [lambda t: t + "=", lambda t: t + "\n", lambda t: " " + t, lambda t: t.swapcase()])
def test_other_spellings_of_a_good_token_are_refused(spoil: Callable[[str], str]) -> None:
    with pytest.raises(InvalidToken):
        verify(spoil(sign_token(id_claims(), KEY)))


def test_signature_has_one_spelling() -> None:
    """256 bytes leave four unused bits in the last base64url character; only zeros will do."""
    text = sign_token(id_claims(), KEY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    neighbour = alphabet[alphabet.index(text[-1]) + 1]

    with pytest.raises(NotAToken):
        verify(text[:-1] + neighbour)


@given(
    st.dictionaries(st.text(max_size=10), st.one_of(st.text(), st.integers(-(2**53), 2**53), st.booleans()), max_size=5)
)
def test_what_was_signed_is_what_is_read(extra: dict[str, Any]) -> None:
    claims = {**extra, **id_claims()}

    assert verify(sign_token(claims, KEY)).claims == claims


def test_another_library_accepts_our_tokens_by_our_key_set() -> None:
    jwk = render_jwks(KEYS)["keys"][0]
    text = sign_token(id_claims(exp=4_000_000_000, iat=1), KEY)

    claims = pyjwt.decode(text, pyjwt.PyJWK(jwk).key, algorithms=["RS256"], audience=CLIENT, issuer=ISSUER)

    assert claims["aud"] == CLIENT
    assert jwk.keys() == {"alg", "e", "kid", "kty", "n", "use"}
    assert (jwk["alg"], jwk["e"], jwk["kid"], jwk["kty"], jwk["use"]) == ("RS256", "AQAB", KEY.kid, "RSA", "sig")


def test_key_survives_being_stored() -> None:
    again = SigningKey.from_der(Secret(KEY.to_der().reveal()))

    assert again.kid == KEY.kid
    assert PublicKey.from_der(KEY.public.to_der()).kid == KEY.kid
    assert verify(sign_token(id_claims(), again)).sub


def test_claimed_issuer_is_what_the_token_says_whoever_signed_it() -> None:
    assert claimed_issuer(sign_token(id_claims(), OTHER_KEY)) == ISSUER
    for text in ("", "a.b.c", "e30.e30.e30", sign_token({"iss": 1}, KEY)):
        with pytest.raises(NotAToken):
            claimed_issuer(text)


def test_private_key_does_not_show() -> None:
    assert "private" not in repr(KEY).lower()


def _public_key_of(jwk: dict[str, str]) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    def number(name: str) -> int:
        return int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=" * (-len(jwk[name]) % 4)))

    key = rsa.RSAPublicNumbers(e=number("e"), n=number("n")).public_key()
    return PublicKey(kid=thumbprint(key), rsa_key=key)


def test_rfc_7515_a2_signature_verifies() -> None:
    case = CASES["rfc7515-a2"]
    key = _public_key_of(case["jwk"])
    signed, _, signature = case["jws"].rpartition(".")

    assert key.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode())
    assert not key.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode() + b"x")


def test_rfc_7638_thumbprint_is_our_kid() -> None:
    case = CASES["rfc7638-3.1"]

    assert (
        _public_key_of(case["jwk"]).kid == base64.b64encode(base64.urlsafe_b64decode(case["thumbprint"] + "=")).decode()
    )

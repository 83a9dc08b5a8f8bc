"""User pool tokens: sign them, verify them, publish the keys.

    key = generate_signing_key()
    text = sign_token({"iss": issuer, "token_use": "id", ...}, key)
    token = verify_token(
        text, keys=KeySet.of([key]), issuers=[issuer], token_use="id", audiences=[client_id], now=now
    )
    token.claims["sub"]

A `VerifiedToken` exists only if signature, issuer, use, audience and expiry were all checked; there is no way to leave
one out. Whether the user still exists or the token was revoked is for the room that keeps users (`TokenRevoked` is here
so that it has a name below both who says it and who hears it).

Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7519 (JWT); Cognito Developer Guide, "Verifying a JSON Web Token".
"""

from velvetrope.tokens.issued import check_signature, check_times, named_key
from velvetrope.tokens.jwt import (
    MAX_TOKEN_CHARACTERS,
    TokenUse,
    VerifiedToken,
    claimed_audience,
    claimed_issuer,
    read_token,
    sign_token,
    verify_token,
)
from velvetrope.tokens.keys import KeySet, PublicKey, SigningKey, generate_signing_key, render_jwks
from velvetrope.tokens.reasons import (
    AudienceMismatch,
    InvalidToken,
    IssuerMismatch,
    NotAToken,
    TokenExpired,
    TokenRevoked,
    TokenSignatureMismatch,
    WrongTokenUse,
)
from velvetrope.tokens.weak_moduli import is_roca_modulus

__all__ = [
    "MAX_TOKEN_CHARACTERS",
    "AudienceMismatch",
    "InvalidToken",
    "IssuerMismatch",
    "KeySet",
    "NotAToken",
    "PublicKey",
    "SigningKey",
    "TokenExpired",
    "TokenRevoked",
    "TokenSignatureMismatch",
    "TokenUse",
    "VerifiedToken",
    "WrongTokenUse",
    "check_signature",
    "check_times",
    "claimed_audience",
    "claimed_issuer",
    "generate_signing_key",
    "is_roca_modulus",
    "named_key",
    "read_token",
    "render_jwks",
    "sign_token",
    "verify_token",
]

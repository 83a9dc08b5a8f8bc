"""Why a token is refused.

    InvalidToken
    ├── NotAToken                 not three parts of base64url JSON with the claims that every token has
    ├── IssuerMismatch            another issuer's
    ├── WrongTokenUse             an access token where an ID token is wanted, or the reverse
    ├── AudienceMismatch          another app client's
    ├── TokenSignatureMismatch    unknown key, another algorithm than the key's, or a signature that is not the key's
    ├── TokenExpired              at or past `exp`
    └── TokenRevoked              its session was ended, or its user is gone

Messages are plain findings; each service has the sentence that AWS says there.
"""

from datetime import datetime

from velvetrope.errors import ReasonError

__all__ = [
    "AudienceMismatch",
    "InvalidToken",
    "IssuerMismatch",
    "NotAToken",
    "TokenExpired",
    "TokenRevoked",
    "TokenSignatureMismatch",
    "WrongTokenUse",
]


class InvalidToken(ReasonError):
    """Any of the findings below."""


class NotAToken(InvalidToken):
    """The text is not a JWT of a user pool."""


class IssuerMismatch(InvalidToken):
    """`iss` is not one of the issuers asked for."""


class WrongTokenUse(InvalidToken):
    """`token_use` is not the one asked for."""


class AudienceMismatch(InvalidToken):
    """`aud` (ID token) or `client_id` (access token) is not one of the audiences asked for."""


class TokenSignatureMismatch(InvalidToken):
    """No key of ours made this signature over these bytes."""


class TokenExpired(InvalidToken):
    """`now` is at or past `exp`. Said only of tokens whose signature is good."""

    def __init__(self, *, expired_at: datetime, now: datetime) -> None:
        super().__init__(f"The token expired at {expired_at:%Y-%m-%dT%H:%M:%SZ}")
        self.expired_at = expired_at
        self.now = now


class TokenRevoked(InvalidToken):
    """The token's session was ended, or its user is disabled or gone."""

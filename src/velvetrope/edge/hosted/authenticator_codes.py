"""A new authenticator app's secret as people take it over: a picture to scan, a link to open, letters to type.

The picture is inline SVG, dark on light in either colour scheme, since cameras expect that.

Source: the Key Uri Format of Google Authenticator, which apps agree on; ISO/IEC 18004 for the picture.
"""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

__all__ = ["AuthenticatorCode", "authenticator_code"]

_LETTERS_IN_A_GROUP = 4


@dataclass(frozen=True, slots=True)
class AuthenticatorCode:
    """One secret, in three forms."""

    uri: str
    svg: str
    """Markup of ours: it holds nothing that somebody wrote but as dark squares."""
    typed: str
    """In groups, for reading aloud and typing."""


def authenticator_code(secret: str, *, issuer: str, account: str) -> AuthenticatorCode:
    """`secret` is base32 without padding; `issuer` and `account` are what the app shows beside its codes."""
    import segno  # where it is needed first, since a start does not need it

    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    uri = f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer})}"
    svg = segno.make_qr(uri, error="m").svg_inline(omitsize=True, light="#fff", dark="#1a0b14", border=3)
    groups = [secret[at : at + _LETTERS_IN_A_GROUP] for at in range(0, len(secret), _LETTERS_IN_A_GROUP)]
    return AuthenticatorCode(uri, svg, " ".join(groups))

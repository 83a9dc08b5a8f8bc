"""What forgers try with a JSON Web Token: each trick is a text that is to be refused by whatever takes the good one.

`Mint` has the key that really signs and the claims of a token that is really good, so that a trick about claims is
refused for its claims. The tricks are those of RFC 8725 (JSON Web Token Best Current Practices) and of Wycheproof's
sets, and what has been wrong in libraries: the algorithm taken from the token, the key from its header, JSON and base64
read in two ways, times that are no numbers.
"""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = [
    "ATTACKER",
    "Mint",
    "claim_tricks",
    "form_tricks",
    "issuers_mint",
    "issuers_tricks",
    "key_tricks",
    "mint_of",
    "tricks_of",
]

ATTACKER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _rs256(private: rsa.RSAPrivateKey) -> Callable[[bytes], bytes]:
    return lambda signed: private.sign(signed, padding.PKCS1v15(), hashes.SHA256())


@dataclass(frozen=True)
class Mint:
    """Makes tokens like a good one. `sign` is RS256 by the right key."""

    kid: str
    claims: Mapping[str, Any]
    public: rsa.RSAPublicKey
    sign: Callable[[bytes], bytes]
    private: rsa.RSAPrivateKey | None = None
    """The right key itself, where a trick signs in another way."""
    header: Mapping[str, Any] = field(default_factory=dict)

    def token(
        self,
        header: Mapping[str, Any] | str | None = None,
        claims: Mapping[str, Any] | str | None = None,
        *,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> str:
        """A claim or header that is None is left out; a text is written as it is."""
        merged = {"kid": self.kid, "alg": "RS256", **self.header, **header} if isinstance(header, Mapping) else header
        head = merged if merged is not None else {"kid": self.kid, "alg": "RS256", **self.header}
        body = {**self.claims, **claims} if isinstance(claims, Mapping) else claims or dict(self.claims)
        signed = f"{_part(head)}.{_part(body)}"
        return f"{signed}.{_base64url((sign or self.sign)(signed.encode()))}"


def mint_of(key: Any, claims: Mapping[str, Any], *, kid: str = "rsa", header: Mapping[str, Any] | None = None) -> Mint:
    """Tokens by joserfc's RSA key."""
    private = key.private_key
    assert isinstance(private, rsa.RSAPrivateKey)
    return Mint(
        kid=kid, claims=claims, public=private.public_key(), sign=_rs256(private), private=private, header=header or {}
    )


def issuers_mint(key: Any, issuer: str, now: datetime) -> Mint:
    """ID tokens of an issuer for the client `app`, good for an hour."""
    at = int(now.timestamp())
    claims = {"iss": issuer, "sub": "carol", "aud": "app", "iat": at, "exp": at + 3600}
    return mint_of(key, claims, header={"typ": "JWT"})


def issuers_tricks(mint: Mint, now: datetime) -> dict[str, str]:
    """All that is tried with tokens of an issuer that is not ours."""
    at = int(now.timestamp())
    changed: dict[str, dict[str, Any]] = {
        "another audience": {"aud": "another"},
        "other audiences": {"aud": ["one", "another"]},
        "no audiences": {"aud": []},
        "no audience": {"aud": None},
        "not yet": {"nbf": at + 3600},
        "nbf that is a text": {"nbf": "0"},
        "issued in an hour": {"iat": at + 3600},
    }
    return tricks_of(mint, now) | {name: mint.token(claims=claims) for name, claims in changed.items()}


def _part(value: Mapping[str, Any] | str) -> str:
    if isinstance(value, str):
        return _base64url(value.encode())
    return _base64url(json.dumps({name: member for name, member in value.items() if member is not None}).encode())


def tricks_of(mint: Mint, now: datetime) -> dict[str, str]:
    """All of them, by name."""
    return key_tricks(mint) | form_tricks(mint) | claim_tricks(mint, now)


def _mac(secret: bytes, digest: str = "sha256") -> Callable[[bytes], bytes]:
    return lambda signed: hmac.digest(secret, signed, digest)


def key_tricks(mint: Mint) -> dict[str, str]:
    """Tokens whose claims are good and whose signature is none, another algorithm's or another key's."""
    pem = mint.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = mint.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    numbers = ATTACKER.public_key().public_numbers()
    jwk = {"kty": "RSA", "alg": "RS256", "use": "sig", "e": "AQAB", "n": _base64url(numbers.n.to_bytes(256))}
    theirs = _rs256(ATTACKER)
    tricks = {f"alg {alg!r} without a signature": mint.token({"alg": alg}, sign=lambda _: b"") for alg in _NOTHINGS}
    tricks |= {f"alg {alg!r} with the right signature": mint.token({"alg": alg}) for alg in (*_NOTHINGS, *_OTHERS)}
    tricks |= {
        "no alg": mint.token({"alg": None}),
        "alg that is a list": mint.token({"alg": ["RS256"]}),
        "HS256 with the public key as PEM": mint.token({"alg": "HS256"}, sign=_mac(pem)),
        "HS256 with the public key as DER": mint.token({"alg": "HS256"}, sign=_mac(der)),
        "HS256 with the modulus": mint.token({"alg": "HS256"}, sign=_mac(mint.public.public_numbers().n.to_bytes(256))),
        "HS256 with an empty secret": mint.token({"alg": "HS256"}, sign=_mac(b"")),
        "HS512 with the public key as PEM": mint.token({"alg": "HS512"}, sign=_mac(pem, "sha512")),
        "another key under the right kid": mint.token(sign=theirs),
        "another key in jwk": mint.token({"jwk": {**jwk, "kid": mint.kid}}, sign=theirs),
        "another key in jwk under its own kid": mint.token({"kid": "own", "jwk": {**jwk, "kid": "own"}}, sign=theirs),
        "another key at jku": mint.token({"jku": "https://evil.example/keys"}, sign=theirs),
        "another key at x5u": mint.token({"x5u": "https://evil.example/cert.pem"}, sign=theirs),
        "another key in x5c": mint.token({"x5c": [base64.b64encode(der).decode()]}, sign=theirs),
        "another key and no kid": mint.token({"kid": None}, sign=theirs),
        "kid that is a path": mint.token({"kid": "../../../../dev/null", "alg": "HS256"}, sign=_mac(b"")),
        "kid that is SQL": mint.token({"kid": "' OR '1'='1"}),
        "kid that is a number": mint.token({"kid": 0}),
        "kid that is a list": mint.token({"kid": [mint.kid]}),
        "kid with a zero byte": mint.token({"kid": mint.kid + "\x00"}),
        "extension that is demanded": mint.token({"crit": ["exp"], "exp": 1}),
        "extensions, none of them": mint.token({"crit": []}),
        "unencoded payload": mint.token({"b64": False, "crit": ["b64"]}),
        "signature of nothing": mint.token(sign=lambda _: mint.sign(b"")),
        "signature of the claims alone": mint.token(sign=lambda signed: mint.sign(signed.split(b".")[1])),
        "signature of zeros": mint.token(sign=lambda _: bytes(256)),
        "signature of one byte less": mint.token(sign=lambda signed: mint.sign(signed)[:-1]),
        "signature with a byte behind it": mint.token(sign=lambda signed: mint.sign(signed) + b"\x00"),
        "signature with a byte before it": mint.token(sign=lambda signed: b"\x00" + mint.sign(signed)),
    }
    if (private := mint.private) is not None:
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        tricks["PS256 by the right key"] = mint.token(
            {"alg": "PS256"}, sign=lambda signed: private.sign(signed, pss, hashes.SHA256())
        )
        tricks["PSS by the right key and called RS256"] = mint.token(
            sign=lambda signed: private.sign(signed, pss, hashes.SHA256())
        )
        tricks["SHA-1 by the right key and called RS256"] = mint.token(
            sign=lambda signed: private.sign(signed, padding.PKCS1v15(), hashes.SHA1())
        )
    return tricks


_NOTHINGS = ("none", "None", "NONE", "nOnE", "")
_OTHERS = ("RS384", "RS512", "ES256", "PS256", "HS256", "EdDSA", "rs256")


def form_tricks(mint: Mint) -> dict[str, str]:
    """Other spellings of a good token, and texts that two readers may read in two ways, signed as they are."""
    token = mint.token()
    header, claims, signature = token.split(".")
    names = json.dumps(dict(mint.claims))
    head = json.dumps({"kid": mint.kid, "alg": "RS256"})
    spare = _ALPHABET[_ALPHABET.index(signature[-1]) | 1]
    return {
        "nothing": "e30.e30.",
        "garbage": "garbage",
        "dots": "..",
        "a part too many": f"{token}.",
        "a part too few": f"{header}.{claims}",
        "no signature": f"{header}.{claims}.",
        "no header": f".{claims}.{signature}",
        "no claims": f"{header}..{signature}",
        "padded signature": f"{token}==",
        "padded claims": f"{header}.{claims}=.{signature}",
        "signature whose spare bits are set": token[:-1] + spare,
        "signature in the other alphabet": f"{header}.{claims}.{signature.replace('-', '+').replace('_', '/')}+",
        "space in the signature": f"{header}.{claims}.{signature[:9]} {signature[9:]}",
        "tab in the claims": f"{header}.{claims[:9]}\t{claims[9:]}.{signature}",
        "character that is no base64 in the signature": f"{header}.{claims}.{signature[:9]}*{signature[9:]}",
        "JSON serialization": json.dumps({"protected": header, "payload": claims, "signature": signature}),
        "encrypted token": f"{header}.{signature}.AAAA.{claims}.AAAA",
        "token within a token": mint.token({"cty": "JWT"}, token),
        "claims that are a list": mint.token(claims=f"[{names}]"),
        "claims that are a text": mint.token(claims='"claims"'),
        "claims with something behind them": mint.token(claims=names + names),
        "claim twice": mint.token(claims=f'{names[:-1]}, "sub": "somebody-else"}}'),
        "claim twice in depth": mint.token(claims=f'{names[:-1]}, "x": {{"a": 1, "a": 2}}}}'),
        "header member twice": mint.token(f'{head[:-1]}, "alg": "RS256"}}'),
        "header that is a list": mint.token(f"[{head}]"),
        "NaN": mint.token(claims=f'{names[:-1]}, "x": NaN}}'),
        "infinity": mint.token(claims=f'{names[:-1]}, "x": Infinity}}'),
        "depth without an end": mint.token(claims=f'{names[:-1]}, "x": {"[" * 6000}{"]" * 6000}}}'),
        "not UTF-8": _resigned(mint, header, names[:-1].encode() + b', "x": "\xff"}'),
    }


def _resigned(mint: Mint, header: str, claims: bytes) -> str:
    signed = f"{header}.{_base64url(claims)}"
    return f"{signed}.{_base64url(mint.sign(signed.encode()))}"


def claim_tricks(mint: Mint, moment: datetime) -> dict[str, str]:
    """Tokens of the right key whose claims say that they are dead, another's, or nothing that can be understood."""
    now = int(moment.timestamp())
    changed: dict[str, dict[str, Any]] = {
        "exp at this second": {"exp": now},
        "exp a second ago": {"exp": now - 1},
        "exp of zero": {"exp": 0},
        "no exp": {"exp": None},
        "exp that is a text": {"exp": str(now + 3600)},
        "exp that is true": {"exp": True},
        "exp that is a list": {"exp": [now + 3600]},
        "exp below zero": {"exp": -1},
        "exp beyond all calendars": {"exp": 10**30},
        "iat that is a text": {"iat": str(now)},
        "iat below zero": {"iat": -1},
        "no issuer": {"iss": None},
        "issuer that is a list": {"iss": [mint.claims["iss"]]},
        "issuer with a slash": {"iss": f"{mint.claims['iss']}/"},
        "issuer in the other case": {"iss": str(mint.claims["iss"]).upper()},
        "another issuer": {"iss": "https://another.example"},
        "issuer in front of a longer name": {"iss": f"{mint.claims['iss']}.evil.example"},
        "no subject": {"sub": None},
        "empty subject": {"sub": ""},
        "subject that is a number": {"sub": 7},
    }
    return {name: mint.token(claims=claims) for name, claims in changed.items()}

"""Secrets are taken out of lines before they are written.

Two nets. What a request presents as a secret is known by value: its Authorization header and the token in it, session
token, signature, API key, cookies, and the identity sources of its method's authorizer. Whatever line holds one of
these, in any variable, holds it no more. And what looks like a secret is taken out by its form: signed tokens, and
members of JSON and fields of forms whose name says so; this is for bodies, which only execution logs with data tracing
write.

An API key leaves its last four characters, as AWS's execution logs leave its last six; all else leaves nothing.
"""

import json
import re
from collections.abc import Iterable

from velvetrope.events import query_parameters
from velvetrope.execute_api.authorizers.compiling import FunctionAuthorizer, PoolAuthorizer
from velvetrope.execute_api.context_variables import RequestFacts
from velvetrope.execute_api.requests import IncomingRequest

__all__ = ["mask", "presented_secrets", "redact", "redact_forms", "secrets_of"]

_MASKED = "[masked]"
_SHORTEST = 6
"""Shorter values are not looked for: they would be found everywhere. Where they stand is masked by name."""
_HEADERS = frozenset(
    {
        b"authorization",
        b"cookie",
        b"proxy-authorization",
        b"x-amz-security-token",
        b"x-api-key",
    }
)
_QUERY = frozenset(
    {"x-amz-security-token", "x-amz-signature", "access_token", "id_token", "token", "api_key", "apikey"}
)
_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
_NAME = r"[A-Za-z0-9_.-]{0,64}"  # bounded: what strangers send must not be tried in ever longer pieces
_TELLING = rf"{_NAME}(?:passw|secret|token|authorization|api[_-]?key|cookie|credential|code_verifier){_NAME}"
_MEMBER = re.compile(
    rf"""(["']{_TELLING}["']\s{{0,8}}:\s{{0,8}})("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,}}\]]+)""", re.IGNORECASE
)
_FIELD = re.compile(rf"""\b({_TELLING}=)[^&\s"']+""", re.IGNORECASE)


def mask(value: str) -> str:
    """An API key as logs may show it."""
    return f"{'*' * 8}{value[-4:]}" if len(value) >= 20 else "*" * 8


def presented_secrets(incoming: IncomingRequest, identity: Iterable[str]) -> frozenset[str]:
    """Every secret that a request presents, as it stands there and as JSON writes it; `identity` are more of them."""
    found: set[str] = set()
    for name, value in incoming.headers:
        if name.lower() in _HEADERS:
            found.update(_with_parts(value.decode("latin-1")))
    for key, given in query_parameters(incoming.query_string.decode("latin-1")):
        if key.lower() in _QUERY:
            found.add(given)
    for given in identity:
        for one in (given, *given.split(",")):  # of a repeated source all values were joined
            found.update(_with_parts(one))
    found |= {json.dumps(secret)[1:-1] for secret in found}
    return frozenset(secret for secret in found if len(secret) >= _SHORTEST)


def secrets_of(facts: RequestFacts) -> frozenset[str]:
    """The secrets of a request to a REST API: with the identity sources of its method's authorizer."""
    return presented_secrets(facts.incoming, _identity_of(facts))


def _identity_of(facts: RequestFacts) -> Iterable[str]:
    matched = facts.matched
    authorizer = None if matched is None else matched.method.authorizer
    sources = (
        (authorizer.token,)
        if isinstance(authorizer, PoolAuthorizer)
        else authorizer.sources
        if isinstance(authorizer, FunctionAuthorizer)
        else ()
    )
    for source in sources:
        if source.place in ("header", "querystring", "multivalueheader", "multivaluequerystring"):
            yield source.read(facts) or ""
    vouched = facts.vouched
    if vouched is not None and vouched.usage_identifier_key:
        yield vouched.usage_identifier_key


def _with_parts(value: str) -> Iterable[str]:
    """A header's value, and what stands behind its scheme: `Bearer abc` is also `abc`."""
    yield value
    scheme, space, rest = value.strip().partition(" ")
    if space and scheme.isalpha():
        yield rest.strip()
    signature = re.search(r"Signature=([0-9a-f]{16,})", value)
    if signature is not None:
        yield signature[1]


def redact(line: str, secrets: Iterable[str]) -> str:
    """`line` without any of `secrets`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if secret in line:
            line = line.replace(secret, _MASKED)
    return line


def redact_forms(text: str) -> str:
    """`text` without what looks like a secret."""
    text = _FIELD.sub(rf"\g<1>{_MASKED}", text)
    return _MEMBER.sub(rf"\g<1>\"{_MASKED}\"".replace('\\"', '"'), _TOKEN.sub(_MASKED, text))

"""Security schemes of a document: an API key, a signature, or an authorizer. Any other scheme is refused by name.

`security` lists are taken together: SAM writes `[{"AWS_IAM": []}, {"api_key": []}]` and API Gateway asks for both,
although OpenAPI would read it as one or the other. A method that asks for two ways of authorization is refused: API
Gateway has one, and which would be ours to guess.

Sources: API Gateway Developer Guide, "x-amazon-apigateway-authorizer object", "x-amazon-apigateway-authtype property".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from velvetrope.apigateway.authorizers import DEFAULT_TTL_SECONDS
from velvetrope.apigateway.errors import BadRequestException, NotSupported
from velvetrope.apigateway.openapi.members import Json, Source, check_members, items_of, object_of, text_of
from velvetrope.store.tables.apigateway import Authorizer

__all__ = ["AskedFor", "Scheme", "asked_for", "parse_schemes"]

_AUTHORIZER = "x-amazon-apigateway-authorizer"
_AUTHTYPE = "x-amazon-apigateway-authtype"
_SCHEME_MEMBERS = {
    "type",
    "name",
    "in",
    "description",
    # Of oauth2, http and openIdConnect schemes that carry an authorizer; the authorizer is what is asked.
    "flow",
    "flows",
    "scopes",
    "authorizationUrl",
    "tokenUrl",
    "scheme",
    "bearerFormat",
    "openIdConnectUrl",
    _AUTHORIZER,
    _AUTHTYPE,
}
_AUTHORIZER_MEMBERS = {
    "type",
    "authorizerUri",
    "authorizerCredentials",
    "identitySource",
    "identityValidationExpression",
    "authorizerResultTtlInSeconds",
    "providerARNs",
}


@dataclass(frozen=True)
class Scheme:
    """What a scheme asks for: an API key, `AWS_IAM`, or an authorizer (its `id` is not given yet)."""

    kind: str
    authorizer: Authorizer | None = None


@dataclass(frozen=True)
class AskedFor:
    """What a method asks of its callers. `authorizer` is an authorizer's name."""

    authorization_type: str = "NONE"
    authorizer: str | None = None
    scopes: tuple[str, ...] = ()
    api_key: bool = False


def parse_schemes(source: Source) -> Mapping[str, Scheme]:
    """The document's schemes by name."""
    return {
        name: _scheme(name, source.resolved(declared, f"the security scheme {name}"))
        for name, declared in source.components("securitySchemes").items()
    }


def asked_for(where: str, security: object, auth: Json, schemes: Mapping[str, Scheme]) -> AskedFor:
    """What a method's `security` (or the document's) and `x-amazon-apigateway-auth` come to."""
    found = AskedFor()
    for requirement in items_of(security, f"security of {where}"):
        for name, scopes in object_of(requirement, f"security of {where}").items():
            scheme = schemes.get(name)
            if scheme is None and name == "NONE":
                continue  # SAM's word for a route that its default authorizer does not guard.
            if scheme is None:
                raise NotSupported(f"The security of {where}", f"{name} is not a security scheme of the document")
            found = _with(where, found, name, scheme, tuple(str(one) for one in items_of(scopes, f"scopes of {name}")))
    check_members(f"x-amazon-apigateway-auth of {where}", auth, {"type"})
    # "Values are case insensitive": API Gateway Developer Guide, "x-amazon-apigateway-auth object". NONE opens nothing
    # that `security` has closed.
    kind = str(auth.get("type", "NONE")).upper()
    if kind not in {"NONE", "AWS_IAM"}:
        raise NotSupported(f"x-amazon-apigateway-auth of {where}: {auth.get('type')}")
    if kind == "AWS_IAM":
        found = _with(where, found, "AWS_IAM", Scheme("AWS_IAM"), ())
    return found


def _with(where: str, found: AskedFor, name: str, scheme: Scheme, scopes: tuple[str, ...]) -> AskedFor:
    if scheme.kind == "api key":
        return AskedFor(found.authorization_type, found.authorizer, found.scopes, api_key=True)
    authorizer = None if scheme.authorizer is None else scheme.authorizer.name
    if found.authorization_type not in {"NONE", scheme.kind} or found.authorizer not in {None, authorizer}:
        raise NotSupported(f"The security of {where}", f"{name} is one more way of authorization")
    if scheme.kind != "COGNITO_USER_POOLS":
        scopes = ()
    return AskedFor(scheme.kind, authorizer, (*found.scopes, *scopes), found.api_key)


def _scheme(name: str, members: Json) -> Scheme:
    check_members(f"the security scheme {name}", members, _SCHEME_MEMBERS)
    kind, header = members.get(_AUTHTYPE), str(members.get("name", ""))
    is_header = members.get("type") == "apiKey" and members.get("in") == "header"
    if _AUTHORIZER in members:
        authorizer = _authorizer(name, members, header if is_header else None)
        return Scheme("COGNITO_USER_POOLS" if authorizer.type == "COGNITO_USER_POOLS" else "CUSTOM", authorizer)
    if is_header and kind == "awsSigv4":
        return Scheme("AWS_IAM")
    if is_header and kind is None and header.lower() == "x-api-key":
        return Scheme("api key")
    raise NotSupported(f"The security scheme {name} of type {members.get('type')} ({kind or header})")


def _authorizer(name: str, scheme: Json, header: str | None) -> Authorizer:
    where = f"{_AUTHORIZER} of {name}"
    members = object_of(scheme[_AUTHORIZER], where)
    check_members(where, members, _AUTHORIZER_MEMBERS)
    kind = str(members.get("type", "")).upper()
    source = text_of(members.get("identitySource"))
    if source is None and kind in {"TOKEN", "COGNITO_USER_POOLS"}:
        if header is None:
            told = f"an authorizer of the type {kind} takes its token from a header (apiKey, in header)"
            raise NotSupported(f"The security scheme {name} of type {scheme.get('type')}", told)
        source = f"method.request.header.{header}"
    ttl = members.get("authorizerResultTtlInSeconds", DEFAULT_TTL_SECONDS)
    try:
        ttl_seconds = int(ttl)
    except (TypeError, ValueError):
        raise BadRequestException(f"Invalid OpenAPI input: authorizerResultTtlInSeconds of {where}") from None
    return Authorizer(
        id="",
        name=name,
        type=kind,
        provider_arns=tuple(str(arn) for arn in items_of(members.get("providerARNs", []), where)),
        auth_type=text_of(scheme.get(_AUTHTYPE)),
        authorizer_uri=text_of(members.get("authorizerUri")),
        authorizer_credentials=text_of(members.get("authorizerCredentials")) or None,
        identity_source=source,
        identity_validation_expression=text_of(members.get("identityValidationExpression")) or None,
        result_ttl_in_seconds=ttl_seconds,
    )

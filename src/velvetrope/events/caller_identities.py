"""Who signed a request, as functions, templates and logs are told: `requestContext.identity` and `$context.identity`.

Source: API Gateway Developer Guide, "API Gateway mapping template and access logging variable reference"; captures of
AWS for the Cognito members.
"""

from velvetrope.events.proxy_event import CallerIdentity
from velvetrope.principals import Principal

__all__ = ["caller_identity"]

_COGNITO = "cognito-identity.amazonaws.com:"
_NOBODY = CallerIdentity()


def caller_identity(principal: Principal) -> CallerIdentity:
    """All None for a caller who signed nothing."""
    if principal.kind == "Anonymous":
        return _NOBODY
    session = principal.session
    claims = {} if session is None else session.claims
    identity_id = _claim(claims.get(f"{_COGNITO}sub"))
    provider = authenticated = None
    if identity_id is not None:
        # `amr` is `authenticated` (or `unauthenticated`) and then, for users, the provider and its name for the user.
        amr = claims.get(f"{_COGNITO}amr", ())
        authenticated = amr[0] if amr else None
        provider = ",".join(amr[1:]) or None
    return CallerIdentity(
        access_key=principal.access_key_id or None,
        account_id=principal.account_id or None,
        caller=principal.unique_id,
        user=principal.unique_id,
        user_arn=principal.arn,
        cognito_identity_id=identity_id,
        cognito_identity_pool_id=_claim(claims.get(f"{_COGNITO}aud")) if identity_id is not None else None,
        cognito_authentication_type=authenticated,
        cognito_authentication_provider=provider,
    )


def _claim(values: tuple[str, ...] | None) -> str | None:
    return values[0] if values else None

"""Sign-in with an OpenID Connect or OAuth 2.0 provider: the way out, and `/oauth2/idpresponse`.

    the way out                           a refusal
    connect to the provider               to the redirect_uri: it cannot be discovered
    remember the sign-in                  (bound to the browser, five minutes)
    send the browser to the provider

    the way back                          a refusal
    read the answer                       to our error page: no state, or something twice
    take the sign-in                      to our error page: another browser's, used, too old
    parse the request anew                see `authorization_requests`: the client may be another by now
    find the provider again               to the redirect_uri: deleted, made anew, no longer the client's
    check who answers (`iss`)             to the redirect_uri: another provider's answer (RFC 9207)
    read the error, if it is one          to the redirect_uri
    redeem the code                       to the redirect_uri
    verify the ID token                   to the redirect_uri
    load what it did not say              to the redirect_uri
    sign the user in                      to the redirect_uri: what the directory says, in AWS's words
    complete the sign-in                  (see `completion`)

Nothing before the sign-in is taken may redirect, nor tell the app anything: until then the answer is a stranger's. What
a provider says is data: its error goes into the redirect as a parameter and nowhere else.

Sources: OpenID Connect Core sections 3.1.2 and 3.1.3; RFC 9700 sections 2.1, 4.4 and 4.7; RFC 9207 section 2.4; Cognito
Developer Guide, "How OIDC user pool IdP authentication works".
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from velvetrope.errors import ServiceError
from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests, RequestedAuthorization
from velvetrope.hosted_ui.completion import SignedIn, SignInCompletion
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.federated_sign_ins import Departed, FederatedSignIns, NotOurSignIn, Returned
from velvetrope.hosted_ui.provider_choice import ProviderGone, find_same_provider
from velvetrope.hosted_ui.relying_party import (
    Connection,
    Connections,
    Outside,
    ProviderRefused,
    authorization_uri,
    load_profile,
    redeem,
    verify_id_token,
)
from velvetrope.hosted_ui.sessions import VouchedBy, held_session_hash
from velvetrope.oauth import AccessDenied, InvalidRequest, LoginRequired, MalformedRequest, Parameters
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import User, UserPool
from velvetrope.store.tables.userpools_configuration import IdentityProvider

__all__ = ["ProviderSignInFlow"]

NOT_OURS = (
    "This sign-in cannot be finished here: it was begun in another browser, was finished before, or took more than "
    "five minutes. Please go back to the app and sign in again."
)
_MAX_TOLD_CHARACTERS = 300
_LOGIN_REQUIRED = frozenset(
    {"login_required", "interaction_required", "consent_required", "account_selection_required"}
)


class ProviderSignInFlow:
    """Sends people to providers, and takes them back."""

    def __init__(
        self,
        directory: UserDirectory,
        requests: AuthorizationRequests,
        sign_ins: FederatedSignIns,
        completion: SignInCompletion,
        connections: Connections,
        outside: Outside,
    ) -> None:
        self._directory = directory
        self._requests = requests
        self._sign_ins = sign_ins
        self._completion = completion
        self._connections = connections
        self._outside = outside

    async def depart(
        self,
        pool: UserPool,
        asked: RequestedAuthorization,
        provider: IdentityProvider,
        *,
        return_uri: str,
        now: datetime,
    ) -> Departed:
        """Leave for `provider`, which sends the browser back to `return_uri`: our `/oauth2/idpresponse`.

        Raises:
            OAuthError: told to the redirect_uri.
        """
        try:
            connection = await self._connections.connect(provider, now=now)
        except ProviderRefused as refusal:
            raise asked.refusing(InvalidRequest(refusal.message, detail=refusal.detail)) from refusal
        departure = await self._sign_ins.begin(pool, provider, asked.query, now=now)
        uri = authorization_uri(connection, asked.request, departure, return_uri=return_uri)
        return Departed(uri, departure.browser)

    async def come_back(
        self,
        pool: UserPool,
        answer: Parameters,
        *,
        browser: Secret[str] | None,
        return_uri: str,
        earlier_session: Secret[str] | None,
        now: datetime,
    ) -> SignedIn:
        """GET and POST /oauth2/idpresponse. `browser` is what this browser kept since it left.

        Raises:
            OAuthError: with a return address once the sign-in has been taken, and without one before.
        """
        if answer.repeated:
            raise MalformedRequest("A parameter is present more than once")
        try:
            returned = await self._sign_ins.take(pool, answer.require("state"), browser, now=now)
        except NotOurSignIn as reason:
            raise MalformedRequest(NOT_OURS, detail=reason.message) from reason
        asked = await self._requests.parse(pool, Parameters.parse(returned.sign_in.query), any_provider=True)
        try:
            provider = await find_same_provider(self._directory, pool, asked, returned.sign_in)
            user = await self._identify(pool, asked, provider, returned, answer, return_uri=return_uri, now=now)
        except (ProviderRefused, ProviderGone, ServiceError) as refusal:
            raise asked.refusing(InvalidRequest(refusal.message, detail=refusal.detail)) from refusal
        return await self._completion.complete(
            pool,
            asked.client,
            asked.request,
            user,
            authenticated_at=now,
            earlier_session_hash=held_session_hash(earlier_session),
            vouched_by=VouchedBy(provider),
            now=now,
        )

    # The steps.

    async def _identify(
        self,
        pool: UserPool,
        asked: RequestedAuthorization,
        provider: IdentityProvider,
        returned: Returned,
        answer: Parameters,
        *,
        return_uri: str,
        now: datetime,
    ) -> User:
        """The user of whom the provider speaks in `answer`."""
        connection = await self._connections.connect(provider, now=now)
        _check_who_answers(connection, answer)
        _check_no_error(asked, connection, answer)
        code = answer.get("code")
        if code is None:
            raise ProviderRefused(f"{connection.name} Error - the answer has no code")
        grant = await redeem(
            self._outside,
            connection,
            code,
            code_verifier=returned.code_verifier,
            return_uri=return_uri,
            now=now,
        )
        claims = await verify_id_token(
            self._outside,
            connection,
            grant,
            nonce=returned.nonce,
            max_age_seconds=asked.request.max_age_seconds,
            now=now,
        )
        profile = await load_profile(self._outside, connection, grant, claims)
        said = {
            "tokenResponse": _as_attributes(grant.answer),
            "idToken": _as_attributes(claims),
            "userInfo": _as_attributes({**_names_from_apple(connection, answer), **profile.attributes}),
        }
        return await self._directory.sign_in_federated(
            pool,
            asked.client,
            provider,
            subject=profile.subject,
            attributes={**said["userInfo"], **said["idToken"]},
            said=said,
            now=now,
        )


def _check_who_answers(connection: Connection, answer: Parameters) -> None:
    """`iss` names the provider that was asked, where it is there or was promised (RFC 9207 section 2.4).

    Raises:
        ProviderRefused: the answer is another provider's, sent here to have its code given to the wrong one.
    """
    named = answer.get("iss")
    if named is None and not connection.says_who_answers:
        return
    if named is None or named != connection.issuer:
        raise ProviderRefused(f"{connection.name} Error - the answer is another provider's", detail=f"iss {named!r}")


def _check_no_error(asked: RequestedAuthorization, connection: Connection, answer: Parameters) -> None:
    """
    Raises:
        OAuthError: the provider has refused. Told to the redirect_uri, in its words, shortened.
    """
    error = answer.get("error")
    if error is None:
        return
    told = (answer.get("error_description") or "")[:_MAX_TOLD_CHARACTERS]
    if error == "access_denied":
        raise asked.refusing(AccessDenied(told))
    if error in _LOGIN_REQUIRED:
        raise asked.refusing(LoginRequired(told))
    raise ProviderRefused(f"{connection.name} Error - {error[:_MAX_TOLD_CHARACTERS]} {told}".rstrip())


def _names_from_apple(connection: Connection, answer: Parameters) -> Mapping[str, Any]:
    """`firstName`, `lastName` and `name` of the `user` that Apple sends beside the code, the first time only.

    It comes through the browser and is signed by nobody: good for what somebody calls themselves, and nothing else of
    it is read. What the ID token says goes before it.
    """
    if connection.provider.provider_type != "SignInWithApple":
        return {}
    try:
        user = json.loads(answer.get("user") or "{}")
    except (ValueError, RecursionError):
        return {}
    name = user.get("name") if isinstance(user, dict) else None
    if not isinstance(name, dict):
        return {}
    parts = {part: name[part] for part in ("firstName", "lastName") if isinstance(name.get(part), str) and name[part]}
    return {**parts, "name": " ".join(parts.values())} if parts else {}


def _as_attributes(told: Mapping[str, Any]) -> dict[str, str]:
    """Claims as attributes are: texts. Lists and objects are JSON (UNVERIFIED)."""
    attributes = {}
    for name, value in told.items():
        if isinstance(value, bool):
            attributes[name] = "true" if value else "false"
        elif isinstance(value, str):
            attributes[name] = value
        elif value is not None:
            attributes[name] = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return attributes

"""What every sign-in ends in: a session for the browser, and a code or tokens for the app.

A password, an answered challenge, a sign-up, an OpenID or a SAML provider: whoever has proven who the user is calls
`SignInCompletion.complete`, and nothing else starts a session. Who has one already is granted a code by `grant`.

    step                                  a refusal
    check that the user may sign in       access_denied, to the redirect_uri: nothing was begun
    grant a code or tokens                invalid_request, to the redirect_uri: the pool's function for tokens refused
    start a browser session

The user's state is looked at here once more, so that no way to prove who somebody is can forget it.

Source: RFC 6749 sections 4.1.2 and 4.2.2; Cognito Developer Guide, "Authorize endpoint".
"""

from dataclasses import dataclass
from datetime import datetime

from velvetrope.errors import ServiceError
from velvetrope.hosted_ui.codes import AuthorizationCodes
from velvetrope.hosted_ui.directory import TRIGGER_REFUSALS, UserDirectory
from velvetrope.hosted_ui.sessions import BrowserSessions, VouchedBy
from velvetrope.oauth import AccessDenied, AuthorizationRequest, InvalidRequest
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, User, UserPool

__all__ = ["SignInCompletion", "SignedIn", "may_sign_in", "still_signed_in"]

_STANDING = frozenset({"CONFIRMED", "EXTERNAL_PROVIDER"})
"""User statuses in which nothing is left to do. Whoever calls has proven who the user is by the way that status has."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Back to the app, with a session for the browser to keep."""

    uri: str
    session_id: Secret[str]


class SignInCompletion:
    """Ends sign-ins."""

    def __init__(self, directory: UserDirectory, sessions: BrowserSessions, codes: AuthorizationCodes) -> None:
        self._directory = directory
        self._sessions = sessions
        self._codes = codes

    async def complete(
        self,
        pool: UserPool,
        client: AppClient,
        request: AuthorizationRequest,
        user: User,
        *,
        authenticated_at: datetime,
        earlier_session_hash: str | None,
        vouched_by: VouchedBy | None = None,
        now: datetime,
    ) -> SignedIn:
        """The end of a sign-in of `user`, whose proof the caller has seen at `authenticated_at`.

        `earlier_session_hash` is of what the browser held before: it ends, so that no session id survives a sign-in.
        `vouched_by` says whose word it is, if not the pool's: the session is good for clients that take it.

        Raises:
            AccessDenied: the user is disabled, or has something to do first.
            OAuthError: the pool's function for tokens refused.
        """
        _check_may_sign_in(user, request)
        uri = await self.grant(pool, client, request, user, authenticated_at=authenticated_at, now=now)
        session_id = await self._sessions.start(
            pool, user, earlier_hash=earlier_session_hash, vouched_by=vouched_by, now=now
        )
        return SignedIn(uri, session_id)

    async def begin(
        self,
        pool: UserPool,
        request: AuthorizationRequest,
        user: User,
        *,
        earlier_session_hash: str | None,
        now: datetime,
    ) -> Secret[str]:
        """The session alone, for who sees another page of ours first and then asks `/oauth2/authorize` for the rest.

        Raises:
            AccessDenied: as `complete`.
        """
        _check_may_sign_in(user, request)
        return await self._sessions.start(pool, user, earlier_hash=earlier_session_hash, now=now)

    async def grant(
        self,
        pool: UserPool,
        client: AppClient,
        request: AuthorizationRequest,
        user: User,
        *,
        authenticated_at: datetime,
        now: datetime,
    ) -> str:
        """The URI that carries a code (`code`), or the tokens themselves (`token`: never a refresh token).

        Raises:
            OAuthError: the pool's function for tokens refused. Told to the redirect_uri, as AWS does.
        """
        if request.response_type == "code":
            code = await self._codes.issue(pool, user, request, authenticated_at=authenticated_at, now=now)
            return request.address.carrying({"code": code})
        try:
            tokens = await self._directory.issue_tokens(
                pool,
                client,
                user,
                scopes=request.scopes,
                authenticated_at=authenticated_at,
                now=now,
                nonce=request.nonce,
                include_id_token=request.wants_id_token,
                include_refresh_token=False,
                resource=request.resource,
            )
        except ServiceError as refused:
            raise _as_oauth_error(refused, request) from None
        answer = {} if tokens.id_token is None else {"id_token": tokens.id_token}
        answer["access_token"] = tokens.access_token
        answer["token_type"] = "bearer"  # noqa: S105  lower case here, `Bearer` at the token endpoint
        answer["expires_in"] = str(tokens.expires_in_seconds)
        return request.address.carrying(answer)


def _as_oauth_error(refused: ServiceError, request: AuthorizationRequest) -> Exception:
    """The refusal of a trigger, for the app to read: what a function raised is meant for it.

    AWS's form has a space behind the full stop (observed). Anything else is not the app's business.
    """
    if refused.code not in TRIGGER_REFUSALS:
        return refused
    said = f"{refused.message} " if refused.code == "UserLambdaValidationException" else refused.message
    error = InvalidRequest(said, detail=f"{refused.code}: {refused.for_owner}")
    error.return_address = request.address
    return error


def _check_may_sign_in(user: User, request: AuthorizationRequest) -> None:
    if not may_sign_in(user):
        refusal = AccessDenied("User is not enabled.", detail=f"user status {user.status}, enabled {user.enabled}")
        refusal.return_address = request.address
        raise refusal


def may_sign_in(user: User) -> bool:
    """Whether nothing of the user's state keeps them out."""
    return user.enabled and user.status in _STANDING


def still_signed_in(user: User, *, authenticated_at: datetime) -> bool:
    """Whether what this user began at `authenticated_at`, a browser's session or a code, still stands.

    It does not once they are disabled, have a password to reset, have signed out everywhere (GlobalSignOut) or have
    another password: whoever held the old one may be why. AWS leaves the browser's cookie alone when tokens are
    revoked; somebody who asks to be signed out everywhere means this browser too.
    """
    if not may_sign_in(user):
        return False
    if user.has_signed_out_since(authenticated_at):
        return False
    return user.password_changed_at is None or authenticated_at >= user.password_changed_at

"""Single logout with SAML providers: `/logout` goes on to the provider, and `/saml2/logout` hears from it.

    on to the provider                    otherwise
    forget who the session was            nobody of a SAML provider: no further
    find the provider again               gone, made anew, or IDPSignout is off: no further
    remember where to go afterwards
    send the browser with a signed request

    an answer from the provider           a refusal
    read the form                         to our error page
    take the log-out                      to our error page: used, too old, never ours
    verify the answer                     to our signed-out page: the session here is over all the same
    go where the app wanted

    a request from the provider           a refusal
    read the form                         to our error page
    find the provider that it names       to our error page; nobody is signed out
    verify the request                    to our error page; nobody is signed out
    spend it                              to our error page: it has counted before
    end the person's browser sessions     (none: that is an answer too)
    answer, signed                        our signed-out page, where the metadata has no address for answers

A request ends the sessions that it names, in whichever browsers they are, and does not need the browser that brings it:
cookies do not come with what a provider's page posts. Tokens are not revoked, as with `/logout`. A log-out under way is
not bound to a browser: it ends in a redirect to a registered address of the app, and in nothing else.

Sources: saml-profiles-2.0-os section 4.4; Cognito Developer Guide, "Signing out SAML users with single sign-out" (a
signed request by redirect, the answer by POST). UNVERIFIED: that AWS takes requests of providers.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from velvetrope.clock import Entropy
from velvetrope.errors import ReasonError
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.held_values import held_hash, new_held_value
from velvetrope.hosted_ui.logout import SignedOutHere
from velvetrope.hosted_ui.saml_messages import (
    InvalidSamlMessage,
    message_hash,
    new_message_id,
    posted_message,
    subject_hash,
)
from velvetrope.hosted_ui.saml_trust import SamlTrust, entity_id_of
from velvetrope.hosted_ui.sessions import session_hash
from velvetrope.oauth import LogoutDestination, Parameters
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui_saml import SamlLogout, SamlStore
from velvetrope.store.tables.hosted_ui_sessions import BrowserSessionStore, SamlSession
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_configuration import IdentityProvider

if TYPE_CHECKING:
    from velvetrope import saml

__all__ = ["LOGOUT_LIFETIME", "NOT_CONFIRMED", "SamlLogoutFlow"]

LOGOUT_LIFETIME = timedelta(minutes=5)
_UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
NOT_CONFIRMED = (
    "Your identity provider did not confirm that it signed you out, too. On a computer that others use, sign out there "
    "as well, or close the browser."
)


class SamlLogoutFlow:
    """Signs people out at their providers, and here when their providers say so."""

    def __init__(
        self,
        directory: UserDirectory,
        trust: SamlTrust,
        store: SamlStore,
        sessions: BrowserSessionStore,
        entropy: Entropy,
    ) -> None:
        self._directory = directory
        self._trust = trust
        self._store = store
        self._sessions = sessions
        self._entropy = entropy

    async def depart(
        self, pool: UserPool, session: Secret[str] | None, destination: LogoutDestination, *, now: datetime
    ) -> str | None:
        """Where the browser goes on to sign out at its provider; None where there is nothing to sign out of.

        `session` is what the browser held until now. The provider sends it back to `/saml2/logout`, and from there it
        goes to `destination`.
        """
        from velvetrope.saml import HTTP_REDIRECT, LogoutRequest, NameId, redirect_url

        if session is None:
            return None
        left = await self._sessions.take_saml(session_hash(session), user_pool_id=pool.id, now=now)
        if left is None:
            return None
        provider = await self._directory.find_identity_provider(pool.id, left.provider_name)
        if provider is None or not _signs_out(provider) or provider.created_at != left.provider_created_at:
            return None
        try:
            described = await self._trust.identity_provider(provider, now=now)
        except ReasonError:
            return None  # the session here is over; nothing can be said to somebody whom we do not know any more
        address = described.logout_urls.get(HTTP_REDIRECT)
        if address is None:
            return None
        request = LogoutRequest(
            request_id=new_message_id(self._entropy),
            issuer=entity_id_of(pool.id),
            destination=address,
            name_id=NameId(left.name_id, left.name_format, left.name_qualifier, left.sp_name_qualifier),
            session_index=left.session_index,
            issued_at=now,
        )
        state = new_held_value(self._entropy)
        logout = SamlLogout(
            user_pool_id=pool.id,
            provider_name=provider.provider_name,
            provider_created_at=provider.created_at,
            request_id=request.request_id,
            destination=destination.target,
            leads_to_app=destination.kind == "app",
            expires_at=now + LOGOUT_LIFETIME,
        )
        await self._store.save_logout(held_hash(state), logout, now=now)
        key = await self._trust.signing_key(pool.id, now=now)
        return redirect_url(request, relay_state=state, signing_key=key)

    async def come_back(
        self, pool: UserPool, form: Parameters, *, logout_urls: Collection[str], now: datetime
    ) -> LogoutDestination:
        """POST /saml2/logout with a SAMLResponse. `logout_urls` are the addresses that it may have been sent to.

        Raises:
            InvalidSamlMessage: no log-out is under way with this RelayState.
            SignedOutHere: the answer does not prove that the provider's session is over. Ours is.
        """
        from velvetrope.saml import verify_logout_response

        document = posted_message(form, "SAMLResponse")
        state = form.get("RelayState")
        logout = (
            None if state is None else await self._store.take_logout(held_hash(state), user_pool_id=pool.id, now=now)
        )
        if logout is None:
            raise InvalidSamlMessage(detail="no log-out is under way with this RelayState")
        try:
            provider = await self._directory.find_identity_provider(pool.id, logout.provider_name)
            if provider is None or provider.created_at != logout.provider_created_at:
                raise SignedOutHere(NOT_CONFIRMED, detail="the identity provider was deleted meanwhile")
            described = await self._trust.identity_provider(provider, now=now)
            verify_logout_response(
                document, provider=described, recipients=logout_urls, request_id=logout.request_id, now=now
            )
        except SignedOutHere:
            raise
        except ReasonError as finding:
            raise SignedOutHere(NOT_CONFIRMED, detail=finding.for_owner) from finding
        return LogoutDestination("app" if logout.leads_to_app else "login", logout.destination)

    async def take_request(
        self, pool: UserPool, form: Parameters, *, logout_urls: Collection[str], now: datetime
    ) -> str | None:
        """POST /saml2/logout with a SAMLRequest: where the browser takes our answer; None where there is no address.

        Raises:
            InvalidSamlMessage: the request is no provider's of this pool, or has counted before. Nobody is signed out.
        """
        from velvetrope.saml import HTTP_REDIRECT, LogoutResponse, redirect_url

        document = posted_message(form, "SAMLRequest")
        provider, described, asked = await self._verified(pool, document, logout_urls, now=now)
        hashed = message_hash("logout", described.entity_id, asked.request_id)
        if not await self._store.spend_message(pool.id, hashed, expires_at=asked.not_on_or_after, now=now):
            raise InvalidSamlMessage(detail="the request has been used before: a replay")

        def is_meant(session: SamlSession) -> bool:
            formats = {session.name_format, asked.name_id.format} - {_UNSPECIFIED}
            return (
                session.provider_created_at == provider.created_at
                and len(formats) <= 1
                and (not asked.session_indexes or session.session_index in asked.session_indexes)
            )

        await self._sessions.end_saml(subject_hash(provider, asked.name_id.value), is_meant, user_pool_id=pool.id)
        address = described.logout_response_urls.get(HTTP_REDIRECT)
        if address is None:
            return None
        answer = LogoutResponse(
            response_id=new_message_id(self._entropy),
            issuer=entity_id_of(pool.id),
            destination=address,
            in_response_to=asked.request_id,
            issued_at=now,
        )
        key = await self._trust.signing_key(pool.id, now=now)
        return redirect_url(answer, relay_state=form.get("RelayState"), signing_key=key)

    async def _verified(
        self, pool: UserPool, document: bytes, logout_urls: Collection[str], *, now: datetime
    ) -> "tuple[IdentityProvider, saml.IdentityProvider, saml.RequestedLogout]":
        """The provider that has signed the request. Several may go by one entity id; the signature tells them apart."""
        from velvetrope.saml import SamlRefused, claimed_issuer, verify_logout_request

        first: SamlRefused | None = None
        try:
            issuer = claimed_issuer(document)
        except SamlRefused as finding:
            raise InvalidSamlMessage(detail=finding.for_owner) from finding
        for provider in await self._trust.providers_of_issuer(pool.id, issuer):
            if not _signs_out(provider):
                continue
            try:
                described = await self._trust.identity_provider(provider, now=now)
                asked = verify_logout_request(document, provider=described, recipients=logout_urls, now=now)
            except SamlRefused as finding:
                first = first or finding
            except ReasonError:
                continue
            else:
                return provider, described, asked
        reason = "no SAML provider of the pool with IDPSignout is called so" if first is None else first.for_owner
        raise InvalidSamlMessage(detail=f"{issuer}: {reason}") from first


def _signs_out(provider: IdentityProvider) -> bool:
    return provider.provider_type == "SAML" and provider.provider_details.get("IDPSignout") == "true"

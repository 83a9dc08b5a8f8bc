"""Sign-in with a SAML provider: the way out, and `/saml2/idpresponse`.

    the way out                           a refusal
    read the provider's metadata          to the redirect_uri: too old to be believed
    remember the sign-in                  (bound to the browser, five minutes)
    send the browser with a request

    the way back                          a refusal
    read the form                         to our error page
    take the sign-in                      to our error page: another browser's, used, too old
    parse the request anew                see `authorization_requests`: the client may be another by now
    find the provider again               to the redirect_uri: deleted, made anew, no longer the client's
    verify the response                   to the redirect_uri: see `saml.responses`
    spend the assertion                   to the redirect_uri: it has counted before
    sign the user in                      to the redirect_uri: what the directory says, in AWS's words
    complete the sign-in                  (see `completion`)

Where a provider may begin sign-ins itself (IDPInit), a response without a request of ours is taken too. RelayState then
is an authorization request in a query's form, as on AWS: it names the provider, the client and where to go. Nobody has
been remembered, so there is no browser to bind it to, and somebody can be signed in as somebody else without noticing:
that is what the setting allows. Until such a response has been verified it is answered on our own page only.

A name that is made for one session (`transient`) is nobody's: a user is only made of it where `username` is mapped from
an attribute. UNVERIFIED: AWS may make a new user each time.

Sources: saml-profiles-2.0-os section 4.1; Cognito Developer Guide, "SAML session initiation in Amazon Cognito user
pools", "Things to know about SAML IdPs in Amazon Cognito user pools"; the sentence "Invalid SAML response received: …"
with `server_error` as observed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote_plus

from velvetrope.clock import Entropy
from velvetrope.errors import ReasonError, ServiceError
from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests, RequestedAuthorization
from velvetrope.hosted_ui.completion import SignedIn, SignInCompletion
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.federated_sign_ins import Departed, FederatedSignIns, NotOurSignIn
from velvetrope.hosted_ui.provider_choice import ProviderGone, find_same_provider
from velvetrope.hosted_ui.saml_messages import (
    InvalidSamlMessage,
    message_hash,
    new_message_id,
    posted_message,
    subject_hash,
)
from velvetrope.hosted_ui.saml_trust import SamlTrust, entity_id_of
from velvetrope.hosted_ui.sessions import VouchedBy, held_session_hash, session_lifetime
from velvetrope.oauth import AccessDenied, InvalidRequest, OAuthError, Parameters
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui_saml import SamlStore
from velvetrope.store.tables.hosted_ui_sessions import SamlSession, SamlSubject
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_configuration import IdentityProvider

if TYPE_CHECKING:
    from velvetrope import saml

__all__ = ["SamlSignInFlow"]

_TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
_USERNAME = "username"


class SamlResponseRefused(OAuthError):
    """The response is not a valid one. The code is AWS's, although it is no fault of ours."""

    error: ClassVar[str] = "server_error"

    def __init__(self, finding: str, *, detail: str = "") -> None:
        super().__init__(f"Invalid SAML response received: {finding}", detail=detail)


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a response has to fit."""

    asked: RequestedAuthorization
    provider: IdentityProvider
    request_id: str | None
    """The request that it has to name; None where it must name none."""
    earlier_session_hash: str | None = None


class SamlSignInFlow:
    """Sends people to SAML providers, and takes them back."""

    def __init__(
        self,
        directory: UserDirectory,
        requests: AuthorizationRequests,
        sign_ins: FederatedSignIns,
        completion: SignInCompletion,
        trust: SamlTrust,
        store: SamlStore,
        entropy: Entropy,
    ) -> None:
        self._directory = directory
        self._requests = requests
        self._sign_ins = sign_ins
        self._completion = completion
        self._trust = trust
        self._store = store
        self._entropy = entropy

    async def depart(
        self,
        pool: UserPool,
        asked: RequestedAuthorization,
        provider: IdentityProvider,
        *,
        consumer_url: str,
        session: Secret[str] | None,
        now: datetime,
    ) -> Departed:
        """Leave for `provider`, which posts its response to `consumer_url`: our `/saml2/idpresponse`.

        `session` is what the browser holds now: it ends with the sign-in, so that no session id survives one.

        The request is signed where the provider's details or its metadata ask for it. `prompt=login` and `max_age`
        become ForceAuthn (UNVERIFIED; the safer reading).

        Raises:
            OAuthError: told to the redirect_uri.
        """
        from velvetrope.saml import HTTP_REDIRECT, AuthnRequest, redirect_url

        described = await self._described(asked, provider, now=now)
        destination = described.sign_on_urls.get(HTTP_REDIRECT)
        if destination is None:
            raise asked.refusing(InvalidRequest("The identity provider cannot be reached by HTTP-Redirect"))
        request = AuthnRequest(
            request_id=new_message_id(self._entropy),
            issuer=entity_id_of(pool.id),
            destination=destination,
            consumer_url=consumer_url,
            issued_at=now,
            force_authn="login" in asked.request.prompts or asked.request.max_age_seconds is not None,
        )
        signed = described.wants_signed_requests or "RequestSigningAlgorithm" in provider.provider_details
        key = await self._trust.signing_key(pool.id, now=now) if signed else None
        departure = await self._sign_ins.begin(
            pool,
            provider,
            asked.query,
            request_id=request.request_id,
            earlier_session_hash=held_session_hash(session),
            now=now,
        )
        return Departed(redirect_url(request, relay_state=departure.state, signing_key=key), departure.browser)

    async def come_back(
        self,
        pool: UserPool,
        form: Parameters,
        *,
        browser: Secret[str] | None,
        consumer_urls: Collection[str],
        now: datetime,
    ) -> SignedIn:
        """POST /saml2/idpresponse. `browser` is what this browser kept since it left.

        Raises:
            OAuthError: with a return address once the sign-in has been taken or the response verified.
        """
        document = posted_message(form, "SAMLResponse")
        relay_state = form.get("RelayState")
        if relay_state is None:
            raise InvalidSamlMessage(detail="there is no RelayState")
        if "=" in relay_state:
            expected = await self._unsolicited(pool, relay_state)
        else:
            expected = await self._solicited(pool, relay_state, browser, now=now)
        try:
            assertion = await self._verify(pool, expected, document, consumer_urls, now=now)
        except OAuthError as refusal:
            if expected.request_id is None:
                raise InvalidSamlMessage(detail=f"{refusal.description} ({refusal.detail})") from refusal
            raise expected.asked.refusing(refusal) from refusal
        return await self._sign_in(pool, expected, assertion, now=now)

    # The steps.

    async def _solicited(self, pool: UserPool, state: str, browser: Secret[str] | None, *, now: datetime) -> _Expected:
        try:
            returned = await self._sign_ins.take(pool, state, browser, now=now)
        except NotOurSignIn as reason:
            raise InvalidSamlMessage(detail=reason.message) from reason
        asked = await self._requests.parse(pool, Parameters.parse(returned.sign_in.query), any_provider=True)
        try:
            provider = await find_same_provider(self._directory, pool, asked, returned.sign_in)
        except ProviderGone as reason:
            raise asked.refusing(InvalidRequest(reason.message, detail=reason.detail)) from reason
        if provider.provider_type != "SAML" or returned.sign_in.request_id is None:
            raise InvalidSamlMessage(detail="the sign-in was begun with a provider that does not speak SAML")
        return _Expected(asked, provider, returned.sign_in.request_id, returned.sign_in.earlier_session_hash)

    async def _unsolicited(self, pool: UserPool, relay_state: str) -> _Expected:
        asked = await self._requests.parse(pool, Parameters.parse(relay_state), any_provider=True)
        name = asked.request.identity_provider
        provider = None if name is None else await self._directory.find_identity_provider(pool.id, name)
        if provider is None or provider.provider_type != "SAML":
            raise InvalidSamlMessage(detail="RelayState names no SAML provider of the pool")
        if provider.provider_details.get("IDPInit") != "true":
            raise InvalidSamlMessage(detail=f"{name} may not begin sign-ins: IDPInit is off")
        if provider.provider_name not in asked.client.supported_identity_providers:
            raise InvalidSamlMessage(detail=f"{name} is not a supported identity provider of the client")
        return _Expected(asked, provider, None)

    async def _described(
        self, asked: RequestedAuthorization, provider: IdentityProvider, *, now: datetime
    ) -> "saml.IdentityProvider":
        try:
            return await self._trust.identity_provider(provider, now=now)
        except ReasonError as reason:
            raise asked.refusing(
                InvalidRequest("The identity provider's metadata is not available", detail=reason.for_owner)
            ) from reason

    async def _verify(
        self, pool: UserPool, expected: _Expected, document: bytes, consumer_urls: Collection[str], *, now: datetime
    ) -> "saml.VerifiedAssertion":
        """What the provider vouches for, said for the first time."""
        from velvetrope.saml import SamlRefused, StatusNotSuccess, verify_response

        described = await self._described(expected.asked, expected.provider, now=now)
        keys = await self._trust.decryption_keys(expected.provider, now=now)
        try:
            assertion = verify_response(
                document,
                provider=described,
                audiences={entity_id_of(pool.id)},
                recipients=consumer_urls,
                request_id=expected.request_id,
                now=now,
                decryption_keys=keys,
                encryption_required=bool(keys),
            )
        except StatusNotSuccess as finding:
            raise AccessDenied(finding.message, detail=finding.detail) from finding
        except SamlRefused as finding:
            raise SamlResponseRefused(finding.message, detail=finding.detail) from finding
        _check_age(expected.asked, assertion, now)
        spent = await self._store.spend_message(
            pool.id,
            message_hash("assertion", assertion.issuer, assertion.assertion_id),
            expires_at=assertion.not_on_or_after,
            now=now,
        )
        if not spent:
            raise SamlResponseRefused("The assertion has been used before", detail="a replay")
        return assertion

    async def _sign_in(
        self, pool: UserPool, expected: _Expected, assertion: "saml.VerifiedAssertion", *, now: datetime
    ) -> SignedIn:
        asked, provider = expected.asked, expected.provider
        if assertion.name_id.format == _TRANSIENT and _USERNAME not in provider.attribute_mapping:
            raise asked.refusing(
                SamlResponseRefused("The NameID is transient", detail="it names a session, and no attribute is mapped")
            )
        try:
            user = await self._directory.sign_in_federated(
                pool,
                asked.client,
                provider,
                subject=assertion.name_id.value,
                attributes=_flattened(assertion.attributes),
                issuer=assertion.issuer,
                now=now,
            )
        except ServiceError as refusal:
            raise asked.refusing(InvalidRequest(refusal.message, detail=refusal.detail)) from refusal
        name = assertion.name_id
        session = SamlSession(
            user_pool_id=pool.id,
            provider_name=provider.provider_name,
            provider_created_at=provider.created_at,
            name_id=name.value,
            name_format=name.format,
            name_qualifier=name.name_qualifier,
            sp_name_qualifier=name.sp_name_qualifier,
            session_index=assertion.session_index,
            expires_at=now + session_lifetime(pool),
        )
        return await self._completion.complete(
            pool,
            asked.client,
            asked.request,
            user,
            authenticated_at=now,
            earlier_session_hash=expected.earlier_session_hash,
            vouched_by=VouchedBy(
                provider,
                SamlSubject(subject_hash(provider, name.value), session),
                ends_at=assertion.session_not_on_or_after,
            ),
            now=now,
        )


def _check_age(asked: RequestedAuthorization, assertion: "saml.VerifiedAssertion", now: datetime) -> None:
    """`max_age`: the provider has seen the person recently enough, and says so."""
    from velvetrope.saml import CLOCK_SKEW

    if asked.request.max_age_seconds is None:
        return
    oldest = now - timedelta(seconds=asked.request.max_age_seconds) - CLOCK_SKEW
    if assertion.authenticated_at is None or assertion.authenticated_at < oldest:
        raise SamlResponseRefused("The authentication is too old", detail=f"at {assertion.authenticated_at}")


def _flattened(attributes: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """One text each, as on AWS: several values are form-encoded and joined by commas."""
    flat = {}
    for name, values in attributes.items():
        if len(values) == 1:
            flat[name] = values[0]
        elif values:
            flat[name] = ",".join(quote_plus(value, safe="*").replace("~", "%7E") for value in values)
    return flat

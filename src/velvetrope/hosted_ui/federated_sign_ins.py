"""Leaving for an identity provider's page, and coming back from it.

    departure = await sign_ins.begin(pool, provider, query, now=now)
    …                                   # the browser goes off with departure.state, and keeps departure.browser
    returned = await sign_ins.take(pool, state, browser, now=now)

Two random values bind the way out to the way back. `state` travels through the provider (`state` of OAuth 2.0,
`RelayState` of SAML); `browser` is a cookie that stays where it is. Only both together take the sign-in, once, within
five minutes: a state that was seen on its way, planted in another browser or kept for later opens nothing.

What proves to the provider and to us that an answer belongs to this sign-in, the PKCE verifier and the nonce, is
derived from the two, and from `browser` above all: neither is kept, and who sees every address that the browser goes to
learns neither.

One cookie holds the latest sign-in of a browser: who begins a second one has given up the first.

Source: RFC 6749 section 10.12, RFC 7636 section 4.1, RFC 9700 sections 2.1 and 4.7; OpenID Connect Core section
15.5.2; Cognito Developer Guide, "How OIDC user pool IdP authentication works" (five minutes).
"""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from velvetrope.base64url import encode_base64url
from velvetrope.clock import Entropy
from velvetrope.errors import ReasonError
from velvetrope.hosted_ui.held_values import held_hash, new_held_value
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui_federation import FederatedSignIn, FederatedSignInStore
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_configuration import IdentityProvider

__all__ = ["FEDERATED_SIGN_IN_LIFETIME", "Departed", "Departure", "FederatedSignIns", "NotOurSignIn", "Returned"]

FEDERATED_SIGN_IN_LIFETIME = timedelta(minutes=5)


class NotOurSignIn(ReasonError):
    """No sign-in of this browser is under way with this state: never begun, too old, or taken before."""


@dataclass(frozen=True, slots=True)
class Departure:
    """What goes with the browser: `state` to the provider, `browser` into a cookie."""

    state: str
    browser: Secret[str]
    nonce: str
    """For OpenID Connect: what the ID token has to repeat."""
    code_verifier: Secret[str] = field(repr=False)
    """For PKCE: 43 characters."""


@dataclass(frozen=True, slots=True)
class Returned:
    """A sign-in whose browser is back; it cannot be taken again."""

    sign_in: FederatedSignIn
    nonce: str
    code_verifier: Secret[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Departed:
    """Off to the provider, with something for the browser to keep meanwhile."""

    uri: str
    browser: Secret[str]


class FederatedSignIns:
    """Remembers sign-ins that are under way elsewhere."""

    def __init__(self, store: FederatedSignInStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    async def begin(
        self,
        pool: UserPool,
        provider: IdentityProvider,
        query: str,
        *,
        request_id: str | None = None,
        earlier_session_hash: str | None = None,
        now: datetime,
    ) -> Departure:
        """Remember that somebody leaves for `provider`. `query` is the authorization request as the app made it.

        `request_id` and `earlier_session_hash` are for SAML: what the response names, and the session that the browser
        holds, since its cookie does not come along with what another site's page posts.
        """
        state, browser = new_held_value(self._entropy), new_held_value(self._entropy)
        sign_in = FederatedSignIn(
            user_pool_id=pool.id,
            provider_name=provider.provider_name,
            provider_created_at=provider.created_at,
            query=query,
            expires_at=now + FEDERATED_SIGN_IN_LIFETIME,
            request_id=request_id,
            earlier_session_hash=earlier_session_hash,
        )
        await self._store.save(held_hash(state), held_hash(browser), sign_in, now=now)
        return Departure(state, Secret(browser), _derived(browser, state, "nonce"), _verifier(browser, state))

    async def take(self, pool: UserPool, state: str, browser: Secret[str] | None, *, now: datetime) -> Returned:
        """The sign-in that this browser began with this state. It is spent, whatever comes of it.

        Raises:
            NotOurSignIn: there is none.
        """
        if browser is None:
            raise NotOurSignIn("the browser holds no sign-in that is under way")
        held = browser.reveal()
        sign_in = await self._store.take(held_hash(state), held_hash(held), user_pool_id=pool.id, now=now)
        if sign_in is None:
            raise NotOurSignIn("the state is another browser's, was used before, is too old or was never ours")
        return Returned(sign_in, _derived(held, state, "nonce"), _verifier(held, state))


def _verifier(browser: str, state: str) -> Secret[str]:
    return Secret(_derived(browser, state, "code_verifier"))


def _derived(browser: str, state: str, purpose: str) -> str:
    mac = hmac.digest(browser.encode(), f"{purpose} {state}".encode(), "sha256")
    return encode_base64url(mac)

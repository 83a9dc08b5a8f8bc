"""The hosted UI's flows, made of one directory, one store and one source of randomness."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from velvetrope.clock import Entropy
from velvetrope.hosted_ui.account_directory import AccountDirectory
from velvetrope.hosted_ui.account_flows import AccountFlows
from velvetrope.hosted_ui.authorization import AuthorizationFlow
from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests
from velvetrope.hosted_ui.codes import AuthorizationCodes
from velvetrope.hosted_ui.completion import SignInCompletion
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.federated_sign_ins import FederatedSignIns
from velvetrope.hosted_ui.logout import LogoutFlow
from velvetrope.hosted_ui.passkey_registration import PasskeyRegistrationFlow
from velvetrope.hosted_ui.password_sign_in import PasswordSignInFlow
from velvetrope.hosted_ui.pending_sign_ins import PendingSignIns
from velvetrope.hosted_ui.provider_sign_in import ProviderSignInFlow
from velvetrope.hosted_ui.relying_party import SOCIAL_ENDPOINTS, Connections, Outside, SocialEndpoints
from velvetrope.hosted_ui.revocation import RevocationFlow
from velvetrope.hosted_ui.saml_logout import SamlLogoutFlow
from velvetrope.hosted_ui.saml_sign_in import SamlSignInFlow
from velvetrope.hosted_ui.saml_trust import SamlTrust
from velvetrope.hosted_ui.sessions import BrowserSessions
from velvetrope.hosted_ui.sign_in_steps import SignInSteps
from velvetrope.hosted_ui.signed_in import SignedInBrowsers
from velvetrope.hosted_ui.tokens import TokenFlow
from velvetrope.hosted_ui.userinfo import UserInfoFlow
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.hosted_ui_federation import FederatedSignInStore
from velvetrope.store.tables.hosted_ui_saml import SamlStore
from velvetrope.store.tables.userpools_configuration import IdentityProviderType

__all__ = ["HostedUi", "ProviderParts", "SamlParts"]


@dataclass(frozen=True, slots=True)
class SamlParts:
    """What SAML needs besides."""

    trust: SamlTrust
    store: SamlStore


@dataclass(frozen=True, slots=True)
class ProviderParts:
    """What sign-in with other people's providers needs."""

    sign_ins: FederatedSignInStore
    outside: Outside
    saml: SamlParts | None = None
    """Without it SAML providers are refused."""
    social: Mapping[IdentityProviderType, SocialEndpoints] = field(default_factory=lambda: SOCIAL_ENDPOINTS)


class HostedUi:
    """One flow per endpoint. Whatever signs people in reads `requests` and ends in `completion`."""

    def __init__(
        self,
        directory: UserDirectory,
        store: HostedUiStore,
        entropy: Entropy,
        *,
        providers: ProviderParts | None = None,
        names_issuer: bool = False,
        accounts: AccountDirectory | None = None,
    ) -> None:
        """Without `providers` nobody is sent to one: who asks for it is refused. With `names_issuer`, answers at the
        redirect_uri say who gives them (decision 0028).

        Without `accounts` people are made users, and get new passwords, elsewhere.
        """
        self.sessions = BrowserSessions(store.sessions, entropy)
        browsers = SignedInBrowsers(directory, self.sessions)
        codes = AuthorizationCodes(store, entropy)
        self.requests = AuthorizationRequests(directory, names_issuer=names_issuer)
        self.completion = SignInCompletion(directory, self.sessions, codes)
        self.authorization = AuthorizationFlow(directory, self.requests, browsers, self.completion)
        pending = PendingSignIns(store, entropy)
        self.sign_in_steps = SignInSteps(directory, self.requests, pending, self.completion)
        self.accounts = None
        if accounts is not None:
            self.accounts = AccountFlows(directory, accounts, self.requests, self.sign_in_steps)
        self.passkey_registration = PasskeyRegistrationFlow(directory, browsers)
        self.password_sign_in = PasswordSignInFlow(directory, self.requests, self.sign_in_steps, self.accounts)
        self.provider_sign_in: ProviderSignInFlow | None = None
        self.saml_sign_in: SamlSignInFlow | None = None
        self.saml_logout: SamlLogoutFlow | None = None
        if providers is not None:
            sign_ins = FederatedSignIns(providers.sign_ins, entropy)
            if providers.saml is not None:
                trust, saml_store = providers.saml.trust, providers.saml.store
                self.saml_sign_in = SamlSignInFlow(
                    directory, self.requests, sign_ins, self.completion, trust, saml_store, entropy
                )
                self.saml_logout = SamlLogoutFlow(directory, trust, saml_store, store.sessions, entropy)
            self.provider_sign_in = ProviderSignInFlow(
                directory,
                self.requests,
                sign_ins,
                self.completion,
                Connections(directory, providers.outside.metadata, social=providers.social),
                providers.outside,
            )
        self.tokens = TokenFlow(directory, codes)
        self.userinfo = UserInfoFlow(directory)
        self.revocation = RevocationFlow(directory)
        self.logout = LogoutFlow(directory, self.sessions, pending)

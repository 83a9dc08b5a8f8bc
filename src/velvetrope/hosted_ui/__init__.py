"""The flows behind `/oauth2/*`, `/login` and `/logout`: who may ask, who is signed in, and what they are given.

    flows = HostedUi(directory, store, entropy)
    outcome = await flows.authorization.authorize(pool, parameters, session=cookie, now=now)

Each endpoint is one method whose body is its table of steps; the first step that refuses ends it, with an `OAuthError`
that says where it may be told. Everything that signs somebody in reads the request with `flows.requests` and ends in
`flows.completion`. Users, passwords and tokens are behind the `UserDirectory` that this room is handed;
codes and browser sessions are its own. ASGI, cookies and pages are the edge's.

Sign-in with other people's providers is a way out (`provider_choice`, `provider_sign_in`), something to remember
(`federated_sign_ins`) and a way back; what is believed of their answers is `relying_party`'s, and for SAML
(`saml_sign_in`, `saml_logout`) the `saml` room's.

Not supported, and refused by name: custom challenges.
"""

from velvetrope.hosted_ui.account_directory import AccountDirectory
from velvetrope.hosted_ui.account_recovery import ForgottenForm, RecoveryFlow, ResetForm
from velvetrope.hosted_ui.account_refusals import AccountRefused
from velvetrope.hosted_ui.authorization import GoToProvider, RedirectTo
from velvetrope.hosted_ui.completion import SignedIn
from velvetrope.hosted_ui.directory import AskedChallenge, IssuedTokens, UserDirectory, VerifiedAccessToken
from velvetrope.hosted_ui.discovery import EndpointUrls, discovery_document
from velvetrope.hosted_ui.federated_sign_ins import (
    FEDERATED_SIGN_IN_LIFETIME,
    Departure,
    FederatedSignIns,
    NotOurSignIn,
)
from velvetrope.hosted_ui.flows import HostedUi, ProviderParts, SamlParts
from velvetrope.hosted_ui.logout import SignedOutHere
from velvetrope.hosted_ui.passkey_offers import PUT_OFF_FOR, PasskeyOffered
from velvetrope.hosted_ui.passkey_registration import NobodySignedIn, Onward, PasskeyPage, PasskeyRefused
from velvetrope.hosted_ui.password_sign_in import Credentials, ElsewhereFirst, LoginForm, SignInRefused
from velvetrope.hosted_ui.relying_party import Outside, SocialEndpoints
from velvetrope.hosted_ui.saml_logout import SamlLogoutFlow
from velvetrope.hosted_ui.saml_trust import SamlTrust
from velvetrope.hosted_ui.sessions import session_lifetime
from velvetrope.hosted_ui.sign_in_names import NameKind, names_to_sign_in, names_to_sign_up
from velvetrope.hosted_ui.sign_in_steps import STEP_PATHS, AnswerRefused, BrowserHolds, StepAhead, StepIsOver, StepPage
from velvetrope.hosted_ui.sign_up import ConfirmationForm, ConfirmedHere, SignUpField, SignUpFlow, SignUpForm

__all__ = [
    "FEDERATED_SIGN_IN_LIFETIME",
    "PUT_OFF_FOR",
    "STEP_PATHS",
    "AccountDirectory",
    "AccountRefused",
    "AnswerRefused",
    "AskedChallenge",
    "BrowserHolds",
    "ConfirmationForm",
    "ConfirmedHere",
    "Credentials",
    "Departure",
    "ElsewhereFirst",
    "EndpointUrls",
    "FederatedSignIns",
    "ForgottenForm",
    "GoToProvider",
    "HostedUi",
    "IssuedTokens",
    "LoginForm",
    "NameKind",
    "NobodySignedIn",
    "NotOurSignIn",
    "Onward",
    "Outside",
    "PasskeyOffered",
    "PasskeyPage",
    "PasskeyRefused",
    "ProviderParts",
    "RecoveryFlow",
    "RedirectTo",
    "ResetForm",
    "SamlLogoutFlow",
    "SamlParts",
    "SamlTrust",
    "SignInRefused",
    "SignUpField",
    "SignUpFlow",
    "SignUpForm",
    "SignedIn",
    "SignedOutHere",
    "SocialEndpoints",
    "StepAhead",
    "StepIsOver",
    "StepPage",
    "UserDirectory",
    "VerifiedAccessToken",
    "discovery_document",
    "names_to_sign_in",
    "names_to_sign_up",
    "session_lifetime",
]

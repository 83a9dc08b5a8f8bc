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
from velvetrope.hosted_ui.account_recovery import ForgottenForm, PasswordReset, RecoveryFlow, ResetForm
from velvetrope.hosted_ui.account_refusals import AccountRefused
from velvetrope.hosted_ui.authorization import AuthorizationFlow, GoToProvider, RedirectTo, ShowLogin
from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests, RequestedAuthorization
from velvetrope.hosted_ui.codes import CODE_LIFETIME, AuthorizationCodes
from velvetrope.hosted_ui.completion import SignedIn, SignInCompletion
from velvetrope.hosted_ui.directory import AskedChallenge, IssuedTokens, UserDirectory, VerifiedAccessToken
from velvetrope.hosted_ui.discovery import EndpointUrls, discovery_document
from velvetrope.hosted_ui.federated_sign_ins import (
    FEDERATED_SIGN_IN_LIFETIME,
    Departure,
    FederatedSignIns,
    NotOurSignIn,
    Returned,
)
from velvetrope.hosted_ui.flows import HostedUi, ProviderParts, SamlParts
from velvetrope.hosted_ui.logout import LogoutFlow, SignedOutHere
from velvetrope.hosted_ui.passkey_offers import PUT_OFF_FOR, PasskeyOffered
from velvetrope.hosted_ui.passkey_registration import (
    NobodySignedIn,
    Onward,
    PasskeyPage,
    PasskeyRefused,
    PasskeyRegistrationFlow,
)
from velvetrope.hosted_ui.password_sign_in import (
    Credentials,
    ElsewhereFirst,
    LoginForm,
    PasswordSignInFlow,
    SignInRefused,
)
from velvetrope.hosted_ui.provider_sign_in import ProviderSignInFlow
from velvetrope.hosted_ui.relying_party import Outside, SocialEndpoints
from velvetrope.hosted_ui.revocation import RevocationFlow
from velvetrope.hosted_ui.saml_logout import SamlLogoutFlow
from velvetrope.hosted_ui.saml_sign_in import SamlSignInFlow
from velvetrope.hosted_ui.saml_trust import SamlTrust
from velvetrope.hosted_ui.sessions import BrowserSessions, session_lifetime
from velvetrope.hosted_ui.sign_in_names import NameKind, names_to_sign_in, names_to_sign_up
from velvetrope.hosted_ui.sign_in_steps import (
    STEP_PATHS,
    AnswerRefused,
    BrowserHolds,
    SignInSteps,
    StepAhead,
    StepIsOver,
    StepPage,
)
from velvetrope.hosted_ui.sign_up import ConfirmationForm, ConfirmedHere, SignUpField, SignUpFlow, SignUpForm
from velvetrope.hosted_ui.tokens import TokenFlow
from velvetrope.hosted_ui.userinfo import UserInfoFlow

__all__ = [
    "CODE_LIFETIME",
    "FEDERATED_SIGN_IN_LIFETIME",
    "PUT_OFF_FOR",
    "STEP_PATHS",
    "AccountDirectory",
    "AccountRefused",
    "AnswerRefused",
    "AskedChallenge",
    "AuthorizationCodes",
    "AuthorizationFlow",
    "AuthorizationRequests",
    "BrowserHolds",
    "BrowserSessions",
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
    "LogoutFlow",
    "NameKind",
    "NobodySignedIn",
    "NotOurSignIn",
    "Onward",
    "Outside",
    "PasskeyOffered",
    "PasskeyPage",
    "PasskeyRefused",
    "PasskeyRegistrationFlow",
    "PasswordReset",
    "PasswordSignInFlow",
    "ProviderParts",
    "ProviderSignInFlow",
    "RecoveryFlow",
    "RedirectTo",
    "RequestedAuthorization",
    "ResetForm",
    "Returned",
    "RevocationFlow",
    "SamlLogoutFlow",
    "SamlParts",
    "SamlSignInFlow",
    "SamlTrust",
    "ShowLogin",
    "SignInCompletion",
    "SignInRefused",
    "SignInSteps",
    "SignUpField",
    "SignUpFlow",
    "SignUpForm",
    "SignedIn",
    "SignedOutHere",
    "SocialEndpoints",
    "StepAhead",
    "StepIsOver",
    "StepPage",
    "TokenFlow",
    "UserDirectory",
    "UserInfoFlow",
    "VerifiedAccessToken",
    "discovery_document",
    "names_to_sign_in",
    "names_to_sign_up",
    "session_lifetime",
]

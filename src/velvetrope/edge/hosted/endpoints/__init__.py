"""The endpoints, one noun a file. `endpoint_table` is the one list of them."""

from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.endpoints.account_recovery import RecoveryEndpoints
from velvetrope.edge.hosted.endpoints.authorize import AuthorizeEndpoint
from velvetrope.edge.hosted.endpoints.error import ErrorEndpoint
from velvetrope.edge.hosted.endpoints.issuer import IssuerDocuments
from velvetrope.edge.hosted.endpoints.login import LoginEndpoint
from velvetrope.edge.hosted.endpoints.logout import LogoutEndpoint
from velvetrope.edge.hosted.endpoints.passkeys import PasskeyRegistrationEndpoint
from velvetrope.edge.hosted.endpoints.provider_return import ProviderReturnEndpoint
from velvetrope.edge.hosted.endpoints.revoke import RevokeEndpoint
from velvetrope.edge.hosted.endpoints.saml_logout import SamlLogoutEndpoint
from velvetrope.edge.hosted.endpoints.saml_response import SamlResponseEndpoint
from velvetrope.edge.hosted.endpoints.sign_up import SignUpEndpoints
from velvetrope.edge.hosted.endpoints.steps import SignInStepPages
from velvetrope.edge.hosted.endpoints.token import TokenEndpoint
from velvetrope.edge.hosted.endpoints.userinfo import UserInfoEndpoint
from velvetrope.edge.hosted.table import EndpointTable

__all__ = ["endpoint_table"]


def endpoint_table(context: HostedContext) -> EndpointTable:
    """Every endpoint of user pool domains and issuers."""
    accounts = context.flows.accounts
    return EndpointTable(
        part.rows()
        for part in (
            *(() if accounts is None else (SignUpEndpoints(context, accounts.sign_up),)),
            *(() if accounts is None else (RecoveryEndpoints(context, accounts.recovery),)),
            AuthorizeEndpoint(context),
            LoginEndpoint(context),
            SignInStepPages(context),
            PasskeyRegistrationEndpoint(context),
            LogoutEndpoint(context),
            ProviderReturnEndpoint(context),
            ErrorEndpoint(context),
            TokenEndpoint(context),
            UserInfoEndpoint(context),
            RevokeEndpoint(context),
            SamlResponseEndpoint(context),
            SamlLogoutEndpoint(context),
            IssuerDocuments(context),
        )
    )

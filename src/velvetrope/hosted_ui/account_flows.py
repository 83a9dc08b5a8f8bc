"""The flows of people's own accounts: becoming a user, and getting another password."""

from velvetrope.hosted_ui.account_directory import AccountDirectory
from velvetrope.hosted_ui.account_recovery import RecoveryFlow
from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.sign_in_steps import SignInSteps
from velvetrope.hosted_ui.sign_up import SignUpFlow

__all__ = ["AccountFlows"]


class AccountFlows:
    """Both of them."""

    def __init__(
        self,
        directory: UserDirectory,
        accounts: AccountDirectory,
        requests: AuthorizationRequests,
        steps: SignInSteps,
    ) -> None:
        self.sign_up = SignUpFlow(directory, accounts, requests, steps)
        self.recovery = RecoveryFlow(accounts, requests)

"""The hosted UI's flows, made of one directory, one store and one source of randomness."""

from velvetrope.clock import Entropy
from velvetrope.hosted_ui.authorization import AuthorizationFlow
from velvetrope.hosted_ui.codes import AuthorizationCodes
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.logout import LogoutFlow
from velvetrope.hosted_ui.revocation import RevocationFlow
from velvetrope.hosted_ui.sessions import BrowserSessions
from velvetrope.hosted_ui.tokens import TokenFlow
from velvetrope.hosted_ui.userinfo import UserInfoFlow
from velvetrope.store.tables.hosted_ui import HostedUiStore

__all__ = ["HostedUi"]


class HostedUi:
    """One flow per endpoint; authorize, the sign-in page and its form share theirs."""

    def __init__(self, directory: UserDirectory, store: HostedUiStore, entropy: Entropy) -> None:
        sessions = BrowserSessions(store, entropy)
        codes = AuthorizationCodes(store, entropy)
        self.authorization = AuthorizationFlow(directory, sessions, codes)
        self.tokens = TokenFlow(directory, codes)
        self.userinfo = UserInfoFlow(directory)
        self.revocation = RevocationFlow(directory)
        self.logout = LogoutFlow(directory, sessions)

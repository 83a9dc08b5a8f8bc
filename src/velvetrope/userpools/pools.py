"""The room put together: which object is given which.

Nothing is decided here. One `UserPools` per process; it opens nothing and imports nothing heavy until it is used.
"""

from collections.abc import Mapping

from velvetrope.clock import Clock, Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.userpools import UserPoolStore
from velvetrope.store.tables.userpools_deliveries import DeliveryStore
from velvetrope.store.tables.userpools_sign_in import SignInStore
from velvetrope.userpools.auth_operations import AuthOperations
from velvetrope.userpools.back_off import BackOff
from velvetrope.userpools.challenges import ChallengeSealer
from velvetrope.userpools.client_operations import ClientOperations
from velvetrope.userpools.deliveries import Deliveries, MessageSender
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.group_operations import GroupOperations
from velvetrope.userpools.issuing import Issuer, TokenIssuer
from velvetrope.userpools.outbox import Medium, Outbox
from velvetrope.userpools.pool_operations import DomainOperations, PoolOperations
from velvetrope.userpools.self_service import SelfServiceOperations
from velvetrope.userpools.service import PoolTokenVerifier, SignInService
from velvetrope.userpools.sign_in import PasswordSignIn
from velvetrope.userpools.sign_up import SignUpOperations
from velvetrope.userpools.signing_keys import PoolKeys
from velvetrope.userpools.user_operations import UserOperations
from velvetrope.userpools.vault import PasswordVault
from velvetrope.userpools.workers import Workers

__all__ = ["UserPools"]


class UserPools:
    """User pools on one database. `public_url` is the issuer's base where the server has a name of its own."""

    def __init__(
        self,
        database: Database,
        *,
        master_keys: MasterKeys,
        clock: Clock,
        entropy: Entropy,
        public_url: str | None = None,
        senders: Mapping[Medium, MessageSender] | None = None,
    ) -> None:
        """A medium without a sender is left to the mailbox."""
        store, sign_ins = UserPoolStore(database), SignInStore(database)
        self._workers = Workers()
        directory = PoolDirectory(store, master_keys)
        vault = PasswordVault(master_keys, entropy, self._workers)
        back_off = BackOff(sign_ins)
        keys = PoolKeys(store, master_keys, entropy, self._workers)
        passwords = PasswordSignIn(directory, vault, back_off)
        issuer = TokenIssuer(
            store=store,
            sign_ins=sign_ins,
            keys=keys,
            issuer=Issuer(public_url),
            entropy=entropy,
            workers=self._workers,
        )
        self.outbox = Outbox(store, master_keys, entropy)
        """Messages that were written; for the owner of the server alone."""
        self.deliveries = Deliveries(DeliveryStore(database), self.outbox, senders or {}, clock, database.changes)
        self.sign_in = SignInService(store, directory, passwords, issuer, keys)
        self.token_verifier = PoolTokenVerifier(issuer)
        self.operations: tuple[object, ...] = (
            PoolOperations(store, directory, keys, entropy),
            DomainOperations(store, directory),
            ClientOperations(store, directory, entropy),
            SignUpOperations(store, directory, vault, self.outbox, entropy),
            UserOperations(store, directory, vault, self.outbox, entropy),
            GroupOperations(store, directory),
            AuthOperations(
                store=store,
                sign_ins=sign_ins,
                directory=directory,
                vault=vault,
                back_off=back_off,
                passwords=passwords,
                issuer=issuer,
                challenges=ChallengeSealer(master_keys, entropy),
                entropy=entropy,
                workers=self._workers,
            ),
            SelfServiceOperations(store, directory, issuer, vault, back_off),
        )

    def close(self) -> None:
        """Let the worker threads end."""
        self._workers.close()

"""The parts of the room, floor by floor: which object is given which.

Nothing is decided here. Each class makes the objects of a floor from those below it, once per process; `pools` makes
the operations of them, and what other rooms are handed.
"""

from collections.abc import Mapping

from velvetrope.clock import Clock, Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.userpools import UserPoolStore
from velvetrope.store.tables.userpools_branding import BrandingStore
from velvetrope.store.tables.userpools_configuration import ConfigurationStore
from velvetrope.store.tables.userpools_deliveries import DeliveryStore
from velvetrope.store.tables.userpools_factors import FactorStore
from velvetrope.store.tables.userpools_imports import ImportStore
from velvetrope.store.tables.userpools_search import UserSearchStore
from velvetrope.store.tables.userpools_sign_in import SignInStore
from velvetrope.store.tables.userpools_terms import TermsStore
from velvetrope.userpools.challenges import ChallengeSealer
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.factors.authenticator_apps import AuthenticatorApps
from velvetrope.userpools.factors.authenticator_setups import AuthenticatorSetups
from velvetrope.userpools.factors.devices import DeviceProofs
from velvetrope.userpools.factors.first_factors import FirstFactors
from velvetrope.userpools.factors.mail_factors import MailFactors
from velvetrope.userpools.factors.one_time_codes import OneTimeCodes
from velvetrope.userpools.factors.passkeys import Passkeys
from velvetrope.userpools.factors.password_proofs import PasswordProofs, SrpExchange
from velvetrope.userpools.factors.private_values import PrivateValues
from velvetrope.userpools.factors.second_factors import SecondFactors
from velvetrope.userpools.factors.sent_passwords import PasswordSignIn
from velvetrope.userpools.imports.migrations import UserMigrations
from velvetrope.userpools.messages.call_limits import CallLimits
from velvetrope.userpools.messages.custom_senders import CustomSenders, DataKeys
from velvetrope.userpools.messages.decoys import Decoys
from velvetrope.userpools.messages.deliveries import Deliveries, MessageSender
from velvetrope.userpools.messages.log_delivery import DeliveryFailures, PoolLogs
from velvetrope.userpools.messages.outbox import Medium, Outbox
from velvetrope.userpools.messages.sent_codes import SentCodes
from velvetrope.userpools.messages.writing import MessageWriter
from velvetrope.userpools.passwords.back_off import BackOff
from velvetrope.userpools.passwords.changes import PasswordChanges
from velvetrope.userpools.passwords.kept_powers import KeptPowers
from velvetrope.userpools.passwords.vault import PasswordVault
from velvetrope.userpools.sign_in.answers import SignInParts
from velvetrope.userpools.sign_in.custom_challenges import CustomChallenges
from velvetrope.userpools.sign_in.new_passwords import NewPasswords
from velvetrope.userpools.sign_in.next_step import NextStep
from velvetrope.userpools.sign_in.triggers import SignInTriggers
from velvetrope.userpools.tokens.issuing import TokenIssuer
from velvetrope.userpools.tokens.machines import MachineTokens
from velvetrope.userpools.tokens.resource_servers import ScopeDirectory
from velvetrope.userpools.tokens.signed_in import AccessTokens
from velvetrope.userpools.tokens.signing_keys import PoolKeys
from velvetrope.userpools.tokens.verification import Issuer, TokenVerification
from velvetrope.userpools.triggers.invocations import FunctionInvoker, Triggers
from velvetrope.userpools.triggers.sign_up import SignUpTriggers
from velvetrope.userpools.triggers.token_generation import TokenGeneration
from velvetrope.userpools.workers import Workers

__all__ = ["Factors", "Ground", "Messages", "Stores", "Tokens", "sign_in_parts"]


class Stores:
    """What is kept."""

    def __init__(self, database: Database) -> None:
        self.users = UserPoolStore(database)
        self.searches = UserSearchStore(database)
        self.sign_ins = SignInStore(database)
        self.factors = FactorStore(database)
        self.configuration = ConfigurationStore(database)
        self.brandings = BrandingStore(database)
        self.terms = TermsStore(database)
        self.deliveries = DeliveryStore(database)
        self.imports = ImportStore(database)


class Ground:
    """What every floor stands on."""

    def __init__(
        self,
        database: Database,
        *,
        master_keys: MasterKeys,
        clock: Clock,
        entropy: Entropy,
        functions: FunctionInvoker | None,
    ) -> None:
        self.stores = Stores(database)
        self.changes = database.changes
        self.master_keys = master_keys
        self.clock = clock
        self.entropy = entropy
        self.functions = functions
        self.workers = Workers(database)
        self.triggers = Triggers(functions)
        self.sign_up_triggers = SignUpTriggers(self.triggers)
        self.directory = PoolDirectory(self.stores.users, master_keys, database.changes)
        self.challenges = ChallengeSealer(master_keys, entropy, self.stores.sign_ins)
        self.vault = PasswordVault(master_keys, entropy, self.workers)
        self.back_off = BackOff(self.stores.sign_ins, self.workers)
        self.password_changes = PasswordChanges(self.stores.users, self.vault)


class Messages:
    """What is sent to people."""

    def __init__(
        self,
        ground: Ground,
        *,
        senders: Mapping[Medium, MessageSender],
        data_keys: DataKeys | None,
        logs: PoolLogs | None,
        pages_url: str | None,
    ) -> None:
        stores = ground.stores
        self.outbox = Outbox(stores.users, ground.master_keys, ground.entropy, pages_url=pages_url)
        self.custom_senders = CustomSenders(ground.functions, data_keys, ground.entropy)
        self.deliveries = Deliveries(
            stores.deliveries,
            self.outbox,
            senders,
            self.custom_senders,
            ground.clock,
            ground.changes,
            DeliveryFailures(ground.directory, logs),
        )
        self.codes = SentCodes(stores.users, self.outbox, ground.vault)
        self.limits = CallLimits(stores.sign_ins)
        self.decoys = Decoys(ground.master_keys)
        self.writer = MessageWriter(self.outbox, ground.triggers, self.limits)


class Tokens:
    """What a sign-in yields. `public_url` is the issuer's base where the server has a name of its own."""

    def __init__(self, ground: Ground, *, public_url: str | None) -> None:
        stores, generation = ground.stores, TokenGeneration(ground.triggers)
        self.keys = PoolKeys(
            stores.users, ground.master_keys, ground.entropy, ground.workers, ground.clock, ground.changes
        )
        self.scopes = ScopeDirectory(stores.configuration)
        self.verification = TokenVerification(
            store=stores.users, sign_ins=stores.sign_ins, keys=self.keys, issuer=Issuer(public_url)
        )
        self.issuer = TokenIssuer(
            store=stores.users,
            sign_ins=stores.sign_ins,
            keys=self.keys,
            verification=self.verification,
            generation=generation,
            scopes=self.scopes,
            entropy=ground.entropy,
            workers=ground.workers,
        )
        self.access = AccessTokens(stores.users, ground.directory, self.verification)
        self.machines = MachineTokens(self.keys, self.verification.issuer, generation, ground.entropy, ground.workers)


class Factors:
    """What people prove themselves with."""

    def __init__(self, ground: Ground, messages: Messages) -> None:
        stores = ground.stores
        powers = KeptPowers(stores.users, ground.vault)
        self.exchange = SrpExchange(ground.challenges, ground.back_off, PrivateValues(ground.entropy), ground.workers)
        self.passwords = PasswordSignIn(ground.vault, powers, ground.back_off)
        self.proofs = PasswordProofs(
            store=stores.users,
            factors=stores.factors,
            directory=ground.directory,
            vault=ground.vault,
            powers=powers,
            exchange=self.exchange,
        )
        self.codes = OneTimeCodes(
            sender=messages.writer,
            challenges=ground.challenges,
            directory=ground.directory,
            back_off=ground.back_off,
            limits=messages.limits,
            master_keys=ground.master_keys,
            entropy=ground.entropy,
        )
        self.apps = AuthenticatorApps(stores.factors, ground.master_keys, ground.entropy)
        self.setups = AuthenticatorSetups(
            store=stores.users,
            factors=stores.factors,
            challenges=ground.challenges,
            apps=self.apps,
            back_off=ground.back_off,
        )
        self.passkeys = Passkeys(
            factors=stores.factors, challenges=ground.challenges, directory=ground.directory, entropy=ground.entropy
        )
        self.devices = DeviceProofs(
            factors=stores.factors,
            challenges=ground.challenges,
            exchange=self.exchange,
            directory=ground.directory,
            master_keys=ground.master_keys,
        )
        self.second_factors = SecondFactors(
            factors=stores.factors,
            codes=self.codes,
            mail=MailFactors(stores.users, self.codes, self.apps),
            apps=self.apps,
            challenges=ground.challenges,
            directory=ground.directory,
            back_off=ground.back_off,
        )
        self.migrations = UserMigrations(
            store=stores.users,
            directory=ground.directory,
            vault=ground.vault,
            back_off=ground.back_off,
            writer=messages.writer,
            triggers=ground.triggers,
            entropy=ground.entropy,
        )


def sign_in_parts(ground: Ground, factors: Factors) -> SignInParts:
    """Whoever takes part in a sign-in."""
    custom = CustomChallenges(
        triggers=ground.triggers,
        challenges=ground.challenges,
        directory=ground.directory,
        second_factors=factors.second_factors,
    )
    new_passwords = NewPasswords(
        ground.stores.users, ground.challenges, ground.directory, ground.vault, ground.password_changes
    )
    return SignInParts(
        first_factors=FirstFactors(
            store=ground.stores.users,
            factors=ground.stores.factors,
            challenges=ground.challenges,
            directory=ground.directory,
            passwords=factors.passwords,
            proofs=factors.proofs,
            codes=factors.codes,
            passkeys=factors.passkeys,
            migrations=factors.migrations,
        ),
        proofs=factors.proofs,
        passwords=factors.passwords,
        new_passwords=new_passwords,
        second_factors=factors.second_factors,
        codes=factors.codes,
        custom=custom,
        devices=factors.devices,
        migrations=factors.migrations,
        triggers=SignInTriggers(ground.triggers),
        next_step=NextStep(
            store=ground.stores.users,
            custom=custom,
            new_passwords=new_passwords,
            devices=factors.devices,
            second_factors=factors.second_factors,
            proofs=factors.proofs,
        ),
    )

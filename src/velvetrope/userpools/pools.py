"""The room put together: which object is given which.

Nothing is decided here. One `UserPools` per process; it opens nothing and imports nothing heavy until it is used.
"""

from collections.abc import Collection, Mapping

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
from velvetrope.userpools.account_service import AccountService
from velvetrope.userpools.accounts.attribute_operations import AttributeOperations
from velvetrope.userpools.accounts.group_operations import GroupOperations
from velvetrope.userpools.accounts.recovery import RecoveryOperations
from velvetrope.userpools.accounts.self_service import SelfServiceOperations
from velvetrope.userpools.accounts.sign_up import SignUpOperations
from velvetrope.userpools.accounts.user_operations import UserOperations
from velvetrope.userpools.accounts.user_pages import UserPages
from velvetrope.userpools.challenges import ChallengeSealer
from velvetrope.userpools.configuration.client_operations import ClientOperations
from velvetrope.userpools.configuration.client_secrets import ClientSecretOperations
from velvetrope.userpools.configuration.domain_operations import DomainOperations
from velvetrope.userpools.configuration.pool_operations import PoolOperations
from velvetrope.userpools.configuration.tag_operations import TagOperations
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.factors.authenticator_apps import AuthenticatorApps
from velvetrope.userpools.factors.authenticator_setups import AuthenticatorSetups
from velvetrope.userpools.factors.device_operations import DeviceOperations
from velvetrope.userpools.factors.devices import DeviceProofs
from velvetrope.userpools.factors.first_factors import FirstFactors
from velvetrope.userpools.factors.mail_factors import MailFactors
from velvetrope.userpools.factors.mfa_operations import MfaOperations
from velvetrope.userpools.factors.mfa_settings import MfaSettingsOperations
from velvetrope.userpools.factors.one_time_codes import OneTimeCodes
from velvetrope.userpools.factors.passkey_operations import PasskeyOperations
from velvetrope.userpools.factors.passkeys import Passkeys
from velvetrope.userpools.factors.password_proofs import PasswordProofs, SrpExchange
from velvetrope.userpools.factors.second_factors import SecondFactors
from velvetrope.userpools.factors.sent_passwords import PasswordSignIn
from velvetrope.userpools.federation.federated_users import FederatedUsers
from velvetrope.userpools.federation.identity_providers import (
    IdentityProviderOperations,
    ProviderDirectory,
    ProviderSecrets,
)
from velvetrope.userpools.federation.links import LinkOperations
from velvetrope.userpools.federation.saml_keys import SamlKeys
from velvetrope.userpools.federation.saml_providers import SamlDocuments, SamlProviders
from velvetrope.userpools.imports.migrations import UserMigrations
from velvetrope.userpools.imports.operations import ImportLogs, ImportOperations
from velvetrope.userpools.imports.runner import ImportRunner
from velvetrope.userpools.imports.uploads import ImportUploads
from velvetrope.userpools.looks.appearance import AppearanceOperations, Appearances
from velvetrope.userpools.looks.branding import BrandingOperations
from velvetrope.userpools.looks.terms import TermsOperations, TermsShown
from velvetrope.userpools.messages.call_limits import CallLimits
from velvetrope.userpools.messages.custom_senders import CustomSenders, DataKeys
from velvetrope.userpools.messages.decoys import Decoys
from velvetrope.userpools.messages.deliveries import Deliveries, MessageSender
from velvetrope.userpools.messages.log_delivery import DeliveryFailures, LogDeliveryOperations, PoolLogs
from velvetrope.userpools.messages.outbox import Medium, Outbox
from velvetrope.userpools.messages.sent_codes import SentCodes
from velvetrope.userpools.messages.writing import MessageWriter
from velvetrope.userpools.passwords.back_off import BackOff
from velvetrope.userpools.passwords.changes import PasswordChanges
from velvetrope.userpools.passwords.kept_powers import KeptPowers
from velvetrope.userpools.passwords.vault import PasswordVault
from velvetrope.userpools.service import PoolTokenVerifier, SignInService
from velvetrope.userpools.sign_in.answers import SignInParts
from velvetrope.userpools.sign_in.auth_operations import AuthOperations
from velvetrope.userpools.sign_in.custom_challenges import CustomChallenges
from velvetrope.userpools.sign_in.new_passwords import NewPasswords
from velvetrope.userpools.sign_in.next_step import NextStep
from velvetrope.userpools.sign_in.triggers import SignInTriggers
from velvetrope.userpools.tokens.issuing import Issuer, TokenIssuer
from velvetrope.userpools.tokens.machines import MachineTokens
from velvetrope.userpools.tokens.resource_servers import ResourceServerOperations, ScopeDirectory
from velvetrope.userpools.tokens.session_settings import SessionSettingsOperations
from velvetrope.userpools.tokens.sessions import SessionOperations
from velvetrope.userpools.tokens.signed_in import AccessTokens
from velvetrope.userpools.tokens.signing_keys import PoolKeys
from velvetrope.userpools.triggers.inbound_federation import InboundFederation
from velvetrope.userpools.triggers.invocations import FunctionInvoker, Triggers
from velvetrope.userpools.triggers.sign_up import SignUpTriggers
from velvetrope.userpools.triggers.token_generation import TokenGeneration
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
        functions: FunctionInvoker | None = None,
        data_keys: DataKeys | None = None,
        public_url: str | None = None,
        senders: Mapping[Medium, MessageSender] | None = None,
        documents: SamlDocuments | None = None,
        import_logs: ImportLogs | None = None,
        logs: PoolLogs | None = None,
        endpoint_url: str = "http://localhost",
        pages_url: str | None = None,
        reserved_hosts: Collection[str] = (),
    ) -> None:
        """A medium without a sender is left to the mailbox; without `functions` no trigger can be asked, and without
        `data_keys` no pool can have custom senders.

        Without `documents` SAML metadata is taken as a file only. Users are imported only where there are
        `import_logs`, from files that are put below `endpoint_url`. Failed deliveries are told in `logs`. `pages_url`
        is where people reach the hosted pages (`https://localhost:4800`), for links in messages. No pool's domain is
        one of `reserved_hosts`.
        """
        store, sign_ins, factors = UserPoolStore(database), SignInStore(database), FactorStore(database)
        configuration, brandings = ConfigurationStore(database), BrandingStore(database)
        terms = TermsStore(database)
        self.appearances, self.terms = Appearances(configuration, brandings), TermsShown(terms)
        triggers = Triggers(functions)
        self._workers = Workers(database)
        directory = PoolDirectory(store, master_keys, database.changes)
        vault = PasswordVault(master_keys, entropy, self._workers)
        back_off = BackOff(sign_ins, self._workers)
        keys = PoolKeys(store, master_keys, entropy, self._workers, clock, database.changes)
        self.signing_keys = keys
        powers = KeptPowers(store, vault)
        passwords = PasswordSignIn(vault, powers, back_off)
        generation, scopes = TokenGeneration(triggers), ScopeDirectory(configuration)
        issuer = TokenIssuer(
            store=store,
            sign_ins=sign_ins,
            keys=keys,
            issuer=Issuer(public_url),
            generation=generation,
            scopes=scopes,
            entropy=entropy,
            workers=self._workers,
        )
        self.outbox = Outbox(store, master_keys, entropy, pages_url=pages_url)
        """Messages that were written; for the owner of the server alone."""
        custom_senders = CustomSenders(functions, data_keys, entropy)
        self.deliveries = Deliveries(
            DeliveryStore(database),
            self.outbox,
            senders or {},
            custom_senders,
            clock,
            database.changes,
            DeliveryFailures(directory, logs),
        )
        imports = ImportStore(database)
        self.uploads = ImportUploads(imports, master_keys, entropy, endpoint_url=endpoint_url)
        self.imports = ImportRunner(
            store=imports,
            directory=directory,
            logs=import_logs,
            clock=clock,
            entropy=entropy,
            changes=database.changes,
        )
        codes, limits, decoys = SentCodes(store, self.outbox, vault), CallLimits(sign_ins), Decoys(master_keys)
        writer, sign_up_triggers = MessageWriter(self.outbox, triggers, limits), SignUpTriggers(triggers)
        changes = PasswordChanges(store, vault)
        challenges = ChallengeSealer(master_keys, entropy, sign_ins)
        tokens = AccessTokens(store, directory, issuer)
        apps = AuthenticatorApps(factors, master_keys, entropy)
        setups = AuthenticatorSetups(store=store, factors=factors, challenges=challenges, apps=apps, back_off=back_off)
        passkeys = Passkeys(factors=factors, challenges=challenges, directory=directory, entropy=entropy)
        migrations = UserMigrations(
            store=store,
            directory=directory,
            vault=vault,
            back_off=back_off,
            writer=writer,
            triggers=triggers,
            entropy=entropy,
        )
        parts = _sign_in_parts(
            store=store,
            factors=factors,
            directory=directory,
            vault=vault,
            back_off=back_off,
            passwords=passwords,
            powers=powers,
            changes=changes,
            challenges=challenges,
            codes=OneTimeCodes(
                sender=writer,
                challenges=challenges,
                directory=directory,
                back_off=back_off,
                limits=limits,
                master_keys=master_keys,
                entropy=entropy,
            ),
            apps=apps,
            passkeys=passkeys,
            migrations=migrations,
            triggers=triggers,
            exchange=SrpExchange(challenges, back_off, entropy, self._workers),
            master_keys=master_keys,
        )
        provider_secrets, providers = ProviderSecrets(master_keys, entropy), ProviderDirectory(configuration)
        self.saml = SamlProviders(
            configuration, SamlKeys(configuration, master_keys, entropy, self._workers), documents
        )
        self.sign_in = SignInService(
            store,
            directory,
            issuer,
            keys,
            parts,
            federated=FederatedUsers(store, InboundFederation(triggers), sign_up_triggers, parts.triggers, entropy),
            configuration=configuration,
            provider_secrets=provider_secrets,
            machines=MachineTokens(keys, issuer.issuer, generation, entropy, self._workers),
            scopes=scopes,
            setups=setups,
            passkeys=passkeys,
            vault=vault,
        )
        sign_up = SignUpOperations(
            store=store,
            directory=directory,
            vault=vault,
            writer=writer,
            codes=codes,
            limits=limits,
            decoys=decoys,
            triggers=sign_up_triggers,
            challenges=challenges,
            providers=providers,
            entropy=entropy,
        )
        recovery = RecoveryOperations(
            store=store,
            directory=directory,
            passwords=changes,
            writer=writer,
            codes=codes,
            limits=limits,
            decoys=decoys,
            triggers=sign_up_triggers,
            migrations=migrations,
        )
        self.accounts = AccountService(
            sign_up=sign_up, recovery=recovery, sign_ins=self.sign_in, directory=directory, challenges=challenges
        )
        self.token_verifier = PoolTokenVerifier(issuer)
        self.operations: tuple[object, ...] = (
            PoolOperations(store, directory, keys, custom_senders, entropy),
            MfaSettingsOperations(store, directory),
            DomainOperations(store, directory, reserved_hosts),
            ClientOperations(
                store,
                directory,
                entropy,
                scopes=scopes,
                providers=providers,
            ),
            ClientSecretOperations(store, directory, entropy),
            ResourceServerOperations(configuration, directory),
            IdentityProviderOperations(configuration, directory, provider_secrets, self.saml),
            LinkOperations(store, configuration, directory),
            AppearanceOperations(configuration, directory),
            BrandingOperations(brandings, directory, entropy),
            TermsOperations(terms, directory, entropy),
            TagOperations(store, directory),
            sign_up,
            UserOperations(
                store,
                directory,
                vault,
                changes,
                writer,
                sign_up_triggers,
                UserPages(store, UserSearchStore(database)),
                entropy,
            ),
            recovery,
            AttributeOperations(
                store=store, directory=directory, tokens=tokens, writer=writer, codes=codes, limits=limits
            ),
            GroupOperations(store, directory),
            AuthOperations(
                store=store,
                directory=directory,
                vault=vault,
                issuer=issuer,
                challenges=challenges,
                parts=parts,
                master_keys=master_keys,
                entropy=entropy,
                workers=self._workers,
            ),
            SelfServiceOperations(store, directory, tokens, issuer, vault, changes, back_off),
            MfaOperations(
                store=store,
                factors=factors,
                directory=directory,
                tokens=tokens,
                setups=setups,
            ),
            PasskeyOperations(store=store, factors=factors, directory=directory, tokens=tokens, passkeys=passkeys),
            DeviceOperations(factors, directory, tokens, master_keys, entropy),
            SessionOperations(sign_ins, directory, tokens),
            SessionSettingsOperations(store, directory),
            LogDeliveryOperations(store, directory, logs),
            ImportOperations(imports, directory, self.uploads, import_logs, entropy),
        )

    def close(self) -> None:
        """Let the worker threads end."""
        self._workers.close()


def _sign_in_parts(
    *,
    store: UserPoolStore,
    factors: FactorStore,
    directory: PoolDirectory,
    vault: PasswordVault,
    back_off: BackOff,
    passwords: PasswordSignIn,
    powers: KeptPowers,
    changes: PasswordChanges,
    challenges: ChallengeSealer,
    codes: OneTimeCodes,
    apps: AuthenticatorApps,
    passkeys: Passkeys,
    migrations: UserMigrations,
    triggers: Triggers,
    exchange: SrpExchange,
    master_keys: MasterKeys,
) -> SignInParts:
    second_factors = SecondFactors(
        factors=factors,
        codes=codes,
        mail=MailFactors(store, codes, apps),
        apps=apps,
        challenges=challenges,
        directory=directory,
        back_off=back_off,
    )
    proofs = PasswordProofs(
        store=store,
        factors=factors,
        directory=directory,
        vault=vault,
        powers=powers,
        exchange=exchange,
    )
    custom = CustomChallenges(
        triggers=triggers, challenges=challenges, directory=directory, second_factors=second_factors
    )
    new_passwords = NewPasswords(store, challenges, directory, vault, changes)
    devices = DeviceProofs(
        factors=factors,
        challenges=challenges,
        exchange=exchange,
        directory=directory,
        master_keys=master_keys,
    )
    return SignInParts(
        first_factors=FirstFactors(
            store=store,
            factors=factors,
            challenges=challenges,
            directory=directory,
            passwords=passwords,
            proofs=proofs,
            codes=codes,
            passkeys=passkeys,
            migrations=migrations,
        ),
        proofs=proofs,
        passwords=passwords,
        new_passwords=new_passwords,
        second_factors=second_factors,
        codes=codes,
        custom=custom,
        devices=devices,
        migrations=migrations,
        triggers=SignInTriggers(triggers),
        next_step=NextStep(
            store=store,
            custom=custom,
            new_passwords=new_passwords,
            devices=devices,
            second_factors=second_factors,
            proofs=proofs,
        ),
    )

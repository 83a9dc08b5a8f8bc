"""The room put together: what other rooms are handed, and the operations.

Nothing is decided here; `wiring` makes the parts. One `UserPools` per process; it opens nothing and imports nothing
heavy until it is used.
"""

from collections.abc import Collection, Mapping

from velvetrope.clock import Clock, Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.userpools.account_service import AccountService
from velvetrope.userpools.accounts.attribute_operations import AttributeOperations
from velvetrope.userpools.accounts.group_operations import GroupOperations
from velvetrope.userpools.accounts.recovery import RecoveryOperations
from velvetrope.userpools.accounts.self_service import SelfServiceOperations
from velvetrope.userpools.accounts.sign_up import SignUpOperations
from velvetrope.userpools.accounts.user_operations import UserOperations
from velvetrope.userpools.accounts.user_pages import UserPages
from velvetrope.userpools.configuration.client_operations import ClientOperations
from velvetrope.userpools.configuration.client_secrets import ClientSecretOperations
from velvetrope.userpools.configuration.domain_operations import DomainOperations
from velvetrope.userpools.configuration.pool_operations import PoolOperations
from velvetrope.userpools.configuration.tag_operations import TagOperations
from velvetrope.userpools.factors.device_operations import DeviceOperations
from velvetrope.userpools.factors.mfa_operations import MfaOperations
from velvetrope.userpools.factors.mfa_settings import MfaSettingsOperations
from velvetrope.userpools.factors.passkey_operations import PasskeyOperations
from velvetrope.userpools.federation.federated_users import FederatedUsers
from velvetrope.userpools.federation.identity_providers import (
    IdentityProviderOperations,
    ProviderDirectory,
    ProviderSecrets,
)
from velvetrope.userpools.federation.links import LinkOperations
from velvetrope.userpools.federation.saml_keys import SamlKeys
from velvetrope.userpools.federation.saml_providers import SamlDocuments, SamlProviders
from velvetrope.userpools.imports.operations import ImportLogs, ImportOperations
from velvetrope.userpools.imports.runner import ImportRunner
from velvetrope.userpools.imports.uploads import ImportUploads
from velvetrope.userpools.looks.appearance import AppearanceOperations, Appearances
from velvetrope.userpools.looks.branding import BrandingOperations
from velvetrope.userpools.looks.terms import TermsOperations, TermsShown
from velvetrope.userpools.messages.custom_senders import DataKeys
from velvetrope.userpools.messages.deliveries import MessageSender
from velvetrope.userpools.messages.log_delivery import LogDeliveryOperations, PoolLogs
from velvetrope.userpools.messages.outbox import Medium
from velvetrope.userpools.service import SignInService
from velvetrope.userpools.sign_in.answers import SignInParts
from velvetrope.userpools.sign_in.auth_operations import AuthOperations
from velvetrope.userpools.token_verifier import PoolTokenVerifier
from velvetrope.userpools.tokens.resource_servers import ResourceServerOperations
from velvetrope.userpools.tokens.session_settings import SessionSettingsOperations
from velvetrope.userpools.tokens.sessions import SessionOperations
from velvetrope.userpools.triggers.inbound_federation import InboundFederation
from velvetrope.userpools.triggers.invocations import FunctionInvoker
from velvetrope.userpools.wiring import Factors, Ground, Messages, Tokens, sign_in_parts

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
        ground = Ground(database, master_keys=master_keys, clock=clock, entropy=entropy, functions=functions)
        messages = Messages(ground, senders=senders or {}, data_keys=data_keys, logs=logs, pages_url=pages_url)
        tokens, factors = Tokens(ground, public_url=public_url), Factors(ground, messages)
        stores, directory = ground.stores, ground.directory
        parts = sign_in_parts(ground, factors)
        providers = ProviderDirectory(stores.configuration)
        provider_secrets = ProviderSecrets(master_keys, entropy)
        self._workers, self._directory = ground.workers, directory
        self.appearances = Appearances(stores.configuration, stores.brandings)
        self.terms = TermsShown(stores.terms)
        self.signing_keys = tokens.keys
        self.outbox = messages.outbox
        """Messages that were written; for the owner of the server alone."""
        self.deliveries = messages.deliveries
        self.uploads = ImportUploads(stores.imports, master_keys, entropy, endpoint_url=endpoint_url)
        self.imports = ImportRunner(
            store=stores.imports,
            directory=directory,
            logs=import_logs,
            clock=clock,
            entropy=entropy,
            changes=database.changes,
        )
        self.saml = SamlProviders(
            stores.configuration,
            SamlKeys(stores.configuration, master_keys, entropy, ground.workers),
            documents,
        )
        self.sign_in = _sign_in_service(ground, tokens, factors, parts, provider_secrets)
        sign_up, recovery = _sign_up(ground, messages, providers), _recovery(ground, messages, factors)
        self.accounts = AccountService(
            sign_up=sign_up,
            recovery=recovery,
            sign_ins=self.sign_in,
            directory=directory,
            challenges=ground.challenges,
        )
        self.token_verifier = PoolTokenVerifier(tokens.verification)
        self.operations: tuple[object, ...] = (
            *_pool_operations(ground, messages, tokens, providers, logs=logs, reserved_hosts=reserved_hosts),
            *_look_operations(ground),
            IdentityProviderOperations(stores.configuration, directory, provider_secrets, self.saml),
            LinkOperations(stores.users, stores.configuration, directory),
            ImportOperations(stores.imports, directory, self.uploads, import_logs, entropy),
            sign_up,
            recovery,
            *_account_operations(ground, messages, tokens),
            *_factor_operations(ground, tokens, factors),
            AuthOperations(
                store=stores.users,
                directory=directory,
                vault=ground.vault,
                issuer=tokens.issuer,
                challenges=ground.challenges,
                parts=parts,
                master_keys=master_keys,
                entropy=entropy,
                workers=ground.workers,
            ),
            SessionOperations(stores.sign_ins, directory, tokens.access),
        )

    def resource_of(self, parameters: Mapping[str, object]) -> str:
        """What a call without a signature was about, for the owner: the user pool and its app client, by ClientId.

        Nothing where there is none, or it was not looked up lately.
        """
        return self._directory.told_of_client(str(parameters.get("ClientId", "")))

    def close(self) -> None:
        """Let the worker threads end."""
        self._workers.close()


def _sign_in_service(
    ground: Ground, tokens: Tokens, factors: Factors, parts: SignInParts, provider_secrets: ProviderSecrets
) -> SignInService:
    users = ground.stores.users
    return SignInService(
        users,
        ground.directory,
        tokens.issuer,
        tokens.verification,
        tokens.keys,
        parts,
        federated=FederatedUsers(
            users, InboundFederation(ground.triggers), ground.sign_up_triggers, parts.triggers, ground.entropy
        ),
        configuration=ground.stores.configuration,
        provider_secrets=provider_secrets,
        machines=tokens.machines,
        scopes=tokens.scopes,
        setups=factors.setups,
        passkeys=factors.passkeys,
        vault=ground.vault,
    )


def _pool_operations(
    ground: Ground,
    messages: Messages,
    tokens: Tokens,
    providers: ProviderDirectory,
    *,
    logs: PoolLogs | None,
    reserved_hosts: Collection[str],
) -> tuple[object, ...]:
    users, directory, entropy = ground.stores.users, ground.directory, ground.entropy
    return (
        PoolOperations(users, directory, tokens.keys, messages.custom_senders, entropy),
        MfaSettingsOperations(users, directory),
        SessionSettingsOperations(users, directory),
        DomainOperations(users, directory, reserved_hosts),
        ClientOperations(users, directory, entropy, scopes=tokens.scopes, providers=providers),
        ClientSecretOperations(users, directory, entropy),
        ResourceServerOperations(ground.stores.configuration, directory),
        TagOperations(users, directory),
        LogDeliveryOperations(users, directory, logs),
    )


def _look_operations(ground: Ground) -> tuple[object, ...]:
    stores, directory = ground.stores, ground.directory
    return (
        AppearanceOperations(stores.configuration, directory),
        BrandingOperations(stores.brandings, directory, ground.entropy),
        TermsOperations(stores.terms, directory, ground.entropy),
    )


def _sign_up(ground: Ground, messages: Messages, providers: ProviderDirectory) -> SignUpOperations:
    return SignUpOperations(
        store=ground.stores.users,
        directory=ground.directory,
        vault=ground.vault,
        writer=messages.writer,
        codes=messages.codes,
        limits=messages.limits,
        decoys=messages.decoys,
        triggers=ground.sign_up_triggers,
        challenges=ground.challenges,
        providers=providers,
        entropy=ground.entropy,
    )


def _recovery(ground: Ground, messages: Messages, factors: Factors) -> RecoveryOperations:
    return RecoveryOperations(
        store=ground.stores.users,
        directory=ground.directory,
        passwords=ground.password_changes,
        writer=messages.writer,
        codes=messages.codes,
        limits=messages.limits,
        decoys=messages.decoys,
        triggers=ground.sign_up_triggers,
        migrations=factors.migrations,
    )


def _account_operations(ground: Ground, messages: Messages, tokens: Tokens) -> tuple[object, ...]:
    users, directory = ground.stores.users, ground.directory
    return (
        UserOperations(
            users,
            directory,
            ground.vault,
            ground.password_changes,
            messages.writer,
            ground.sign_up_triggers,
            UserPages(users, ground.stores.searches),
            ground.entropy,
        ),
        AttributeOperations(
            store=users,
            directory=directory,
            tokens=tokens.access,
            writer=messages.writer,
            codes=messages.codes,
            limits=messages.limits,
        ),
        GroupOperations(users, directory),
        SelfServiceOperations(
            users,
            directory,
            tokens.access,
            tokens.issuer,
            ground.vault,
            ground.password_changes,
            ground.back_off,
        ),
    )


def _factor_operations(ground: Ground, tokens: Tokens, factors: Factors) -> tuple[object, ...]:
    stores, directory = ground.stores, ground.directory
    return (
        MfaOperations(
            store=stores.users,
            factors=stores.factors,
            directory=directory,
            tokens=tokens.access,
            setups=factors.setups,
        ),
        PasskeyOperations(
            store=stores.users,
            factors=stores.factors,
            directory=directory,
            tokens=tokens.access,
            passkeys=factors.passkeys,
        ),
        DeviceOperations(stores.factors, directory, tokens.access, ground.master_keys, ground.entropy),
    )

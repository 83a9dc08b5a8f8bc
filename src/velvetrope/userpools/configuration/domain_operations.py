"""Where a pool's hosted pages are: a prefix of AWS's domain, or a domain name of the owner's own.

A pool has one domain, of either kind. (AWS lets it have one of each.) A custom domain is served to whoever asks for
that host; its certificate is whatever stands in front of this server, so CertificateArn is kept and shown and not
looked up. A name that the server itself answers to is nobody's.

Source: Cognito user pools API, CreateUserPoolDomain and its siblings; Developer Guide, "Using your own domain for
managed login". Texts marked UNVERIFIED are ours.
"""

from collections.abc import Collection

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.routes import is_domain_name, is_somebody_elses
from velvetrope.store.tables.userpools import UserPool, UserPoolStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException, ResourceNotFoundException

__all__ = ["CustomDomainConfig", "DomainOperations"]

_RESERVED_IN_PREFIXES = ("aws", "amazon", "cognito")


class CustomDomainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    certificate_arn: str


class DomainOperations:
    """See the module. `reserved_hosts` are the server's own names."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory, reserved_hosts: Collection[str]) -> None:
        self._store = store
        self._directory = directory
        self._reserved_hosts = reserved_hosts

    @operation
    async def create_user_pool_domain(
        self,
        call: Call,  # noqa: ARG002
        *,
        domain: str,
        user_pool_id: str,
        managed_login_version: int = 1,
        custom_domain_config: CustomDomainConfig | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        if custom_domain_config is None:
            _check_prefix(domain)
        else:
            self._check_domain_name(domain)
        taken = await self._store.take_domain(
            user_pool_id,
            domain,
            managed_login_version=managed_login_version,
            certificate_arn=None if custom_domain_config is None else custom_domain_config.certificate_arn,
        )
        match taken:
            case "domain_in_use":
                raise InvalidParameterException("Domain already associated with another user pool.")
            case "pool_has_domain":
                raise InvalidParameterException("User pool already has a domain configured.")
            case "no_pool":
                raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
            case "taken":
                return {"managed_login_version": managed_login_version, **_cloud_front(domain)}

    @operation
    async def describe_user_pool_domain(self, call: Call, *, domain: str) -> Answer:  # noqa: ARG002
        pool = await self._store.load_pool_by_domain(domain)
        if pool is None:
            return {"domain_description": {}}  # AWS answers so for a domain that nobody has
        return {
            "domain_description": {
                "user_pool_id": pool.id,
                "aws_account_id": pool.account_id,
                "domain": pool.domain,
                "status": "ACTIVE",
                "managed_login_version": pool.managed_login_version,
                **_custom(pool),
            }
        }

    @operation
    async def update_user_pool_domain(
        self,
        call: Call,  # noqa: ARG002
        *,
        domain: str,
        user_pool_id: str,
        managed_login_version: int | None = None,
        custom_domain_config: CustomDomainConfig | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)

        def change(pool: UserPool) -> UserPool:
            if pool.domain != domain or (custom_domain_config is not None and not pool.has_custom_domain):
                raise InvalidParameterException("No such domain or user pool exists.")
            return msgspec.structs.replace(
                pool,
                managed_login_version=managed_login_version or pool.managed_login_version,
                certificate_arn=pool.certificate_arn
                if custom_domain_config is None
                else custom_domain_config.certificate_arn,
            )

        changed = await self._store.change_pool(user_pool_id, change)
        if changed is None:
            raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
        return {"managed_login_version": changed.managed_login_version, **_cloud_front(domain)}

    @operation
    async def delete_user_pool_domain(self, call: Call, *, domain: str, user_pool_id: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        if not await self._store.release_domain(user_pool_id, domain):
            raise InvalidParameterException("No such domain or user pool exists.")
        return {}

    def _check_domain_name(self, domain: str) -> None:
        """A domain name that may be a pool's: not the server's own, nor AWS's. Texts UNVERIFIED."""
        if not is_domain_name(domain):
            raise InvalidParameterException(f"{domain} is not a domain name.")
        if is_somebody_elses(domain, own=self._reserved_hosts):
            raise InvalidParameterException(f"The domain {domain} is reserved.")


def _check_prefix(domain: str) -> None:
    if "." in domain:
        raise InvalidParameterException("Custom domain is not configured: CustomDomainConfig is missing.")  # UNVERIFIED
    for word in _RESERVED_IN_PREFIXES:
        if word in domain:
            raise InvalidParameterException(f"Domain cannot contain reserved word: {word}")


def _cloud_front(domain: str) -> dict[str, object]:
    """What the owner's DNS is to point at: at AWS a distribution, here wherever this server is."""
    return {"cloud_front_domain": domain} if "." in domain else {}


def _custom(pool: UserPool) -> dict[str, object]:
    if not pool.has_custom_domain:
        return {}
    return {
        "cloud_front_distribution": pool.domain,
        "custom_domain_config": {"certificate_arn": pool.certificate_arn},
    }

"""Which tags a resource has, by its ARN: `aws:ResourceTag` for the rooms whose policies are judged together.

    tags = resource_tags(database, clock, account_id=account_id)
    await tags["lambda"].find("arn:aws:lambda:us-west-2:123456789012:function:shop")

`find` gives the tags, none for a resource that is not there (what is being made has none yet), and None where nothing
is known of tags: parts of a REST API have none of their own, and whether they count as the API's is not documented
(UNVERIFIED), so conditions on them help nobody. Roles and users bring their tags along (`iam.resource_names`).

Stores are read, and no rule is decided: it is here because only `server` may know them all.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from velvetrope.arn import Arn, parse_arn
from velvetrope.clock import Clock
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.apigatewayv2 import HttpApiStore
from velvetrope.store.tables.cloudformation import CloudFormationStore
from velvetrope.store.tables.functions import FunctionStore
from velvetrope.store.tables.iam import IamStore
from velvetrope.store.tables.iam_mfa_devices import MfaDeviceStore
from velvetrope.store.tables.iam_providers import IamProviderStore
from velvetrope.store.tables.identitypools import IdentityPoolStore
from velvetrope.store.tables.kms import KeyStore
from velvetrope.store.tables.queues import QueueStore
from velvetrope.store.tables.userpools import UserPoolStore

__all__ = ["TagsByArn", "resource_tags"]

Tags = Mapping[str, str]
_NONE: Final[Tags] = {}


class _Tagged(Protocol):
    @property
    def tags(self) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class TagsByArn:
    """The tags of one service's resources."""

    read: Callable[[str, Arn], Awaitable[Tags | None]]

    async def find(self, resource_arn: str) -> Tags | None:
        """The tags; None where they are not known. `resource_arn` is one that parses."""
        return await self.read(resource_arn, parse_arn(resource_arn))


def resource_tags(database: Database, clock: Clock, *, account_id: str) -> dict[str, TagsByArn]:
    """Readers by the service in a resource's ARN."""
    readers = _Readers(database, clock, account_id)
    return {
        "lambda": TagsByArn(readers.of_function),
        "sqs": TagsByArn(readers.of_queue),
        "kms": TagsByArn(readers.of_key),
        "cloudformation": TagsByArn(readers.of_stack),
        "apigateway": TagsByArn(readers.of_api),
        "cognito-idp": TagsByArn(readers.of_user_pool),
        "cognito-identity": TagsByArn(readers.of_identity_pool),
        "iam": TagsByArn(readers.of_iam),
    }


class _Readers:
    def __init__(self, database: Database, clock: Clock, account_id: str) -> None:
        self._clock = clock
        self._account_id = account_id
        self._functions = FunctionStore(database)
        self._queues = QueueStore(database)
        self._stacks = CloudFormationStore(database)
        self._rest_apis = ApiGatewayStore(database)
        self._http_apis = HttpApiStore(database)
        self._domain_names = DomainNameStore(database)
        self._user_pools = UserPoolStore(database)
        self._identity_pools = IdentityPoolStore(database)
        self._keys = KeyStore(database)
        self._iam = IamStore(database)
        self._providers = IamProviderStore(database)
        self._devices = MfaDeviceStore(database)

    async def of_function(self, _: str, arn: Arn) -> Tags | None:
        kind, _, rest = arn.resource.partition(":")
        if kind != "function":
            return None
        name = rest.partition(":")[0]
        return _of(await self._functions.load_function(f"arn:aws:lambda:{arn.region}:{arn.account_id}:function:{name}"))

    async def of_queue(self, resource_arn: str, _: Arn) -> Tags | None:
        return _of(await self._queues.load_queue(resource_arn))

    async def of_stack(self, resource_arn: str, arn: Arn) -> Tags | None:
        if arn.resource_type != "stack":
            return None
        return _of(await self._stacks.load_stack(arn.account_id, arn.region, resource_arn))

    async def of_api(self, _: str, arn: Arn) -> Tags | None:
        match arn.resource.split("/")[1:]:
            case ["restapis", api_id]:
                return _of(await self._rest_apis.load_rest_api(self._account_id, api_id))
            case ["restapis", api_id, "stages", name]:
                return _of(await self._rest_apis.load_stage(api_id, name))
            case ["apikeys", key_id]:
                return _of(await self._rest_apis.load_api_key(self._account_id, key_id))
            case ["usageplans", plan_id]:
                return _of(await self._rest_apis.load_usage_plan(self._account_id, plan_id))
            case ["domainnames", name]:
                return _of(await self._domain_names.load_domain_name(self._account_id, name))
            case ["apis", api_id]:
                return _of(await self._http_apis.load_api(self._account_id, api_id))
            case ["apis", api_id, "stages", name]:
                return _of(await self._http_apis.load_stage(api_id, name))
        return None

    async def of_user_pool(self, _: str, arn: Arn) -> Tags | None:
        pool = await self._user_pools.load_pool(arn.resource_id) if arn.resource_type == "userpool" else None
        return _NONE if pool is None else pool.user_pool_tags

    async def of_identity_pool(self, _: str, arn: Arn) -> Tags | None:
        pool_id = arn.resource.removeprefix("identitypool/")
        return _of(await self._identity_pools.load_pool(pool_id))

    async def of_iam(self, resource_arn: str, arn: Arn) -> Tags | None:
        match arn.resource_type:
            case "policy":
                return _of(await self._iam.load_policy(resource_arn))
            case "oidc-provider":
                return _of(await self._providers.load_open_id_provider(resource_arn))
            case "saml-provider":
                return _of(await self._providers.load_saml_provider(resource_arn))
            case "mfa":
                return _of(await self._devices.load_device(resource_arn))
        return None

    async def of_key(self, key_arn: str, _: Arn) -> Tags | None:
        return _of(await self._keys.load_key(key_arn, self._clock.now()))


def _of(found: _Tagged | None) -> Tags:
    return _NONE if found is None else found.tags

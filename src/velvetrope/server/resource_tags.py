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
    functions, queues, stacks = FunctionStore(database), QueueStore(database), CloudFormationStore(database)
    rest_apis, http_apis = ApiGatewayStore(database), HttpApiStore(database)
    user_pools, identity_pools = UserPoolStore(database), IdentityPoolStore(database)
    keys = KeyStore(database)
    iam, providers, devices = IamStore(database), IamProviderStore(database), MfaDeviceStore(database)

    async def of_function(_: str, arn: Arn) -> Tags | None:
        kind, _, rest = arn.resource.partition(":")
        if kind != "function":
            return None
        name = rest.partition(":")[0]
        return _of(await functions.load_function(f"arn:aws:lambda:{arn.region}:{arn.account_id}:function:{name}"))

    async def of_queue(resource_arn: str, _: Arn) -> Tags | None:
        return _of(await queues.load_queue(resource_arn))

    async def of_stack(resource_arn: str, arn: Arn) -> Tags | None:
        if arn.resource_type != "stack":
            return None
        return _of(await stacks.load_stack(arn.account_id, arn.region, resource_arn))

    async def of_api(_: str, arn: Arn) -> Tags | None:
        match arn.resource.split("/")[1:]:
            case ["restapis", api_id]:
                return _of(await rest_apis.load_rest_api(account_id, api_id))
            case ["restapis", api_id, "stages", name]:
                return _of(await rest_apis.load_stage(api_id, name))
            case ["apikeys", key_id]:
                return _of(await rest_apis.load_api_key(account_id, key_id))
            case ["usageplans", plan_id]:
                return _of(await rest_apis.load_usage_plan(account_id, plan_id))
            case ["apis", api_id]:
                return _of(await http_apis.load_api(account_id, api_id))
            case ["apis", api_id, "stages", name]:
                return _of(await http_apis.load_stage(api_id, name))
        return None

    async def of_user_pool(_: str, arn: Arn) -> Tags | None:
        pool = await user_pools.load_pool(arn.resource_id) if arn.resource_type == "userpool" else None
        return _NONE if pool is None else pool.user_pool_tags

    async def of_identity_pool(_: str, arn: Arn) -> Tags | None:
        pool_id = arn.resource.removeprefix("identitypool/")
        return _of(await identity_pools.load_pool(pool_id))

    async def of_iam(resource_arn: str, arn: Arn) -> Tags | None:
        match arn.resource_type:
            case "policy":
                return _of(await iam.load_policy(resource_arn))
            case "oidc-provider":
                return _of(await providers.load_open_id_provider(resource_arn))
            case "saml-provider":
                return _of(await providers.load_saml_provider(resource_arn))
            case "mfa":
                return _of(await devices.load_device(resource_arn))
        return None

    async def of_key(key_arn: str, _: Arn) -> Tags | None:
        return _of(await keys.load_key(key_arn, clock.now()))

    readers = {
        "lambda": of_function,
        "sqs": of_queue,
        "kms": of_key,
        "cloudformation": of_stack,
        "apigateway": of_api,
        "cognito-idp": of_user_pool,
        "cognito-identity": of_identity_pool,
        "iam": of_iam,
    }
    return {service: TagsByArn(reader) for service, reader in readers.items()}


def _of(found: _Tagged | None) -> Tags:
    return _NONE if found is None else found.tags

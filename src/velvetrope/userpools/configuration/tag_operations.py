"""Tags of user pools: TagResource, UntagResource, ListTagsForResource.

Source: Cognito user pools API, TagResource; at most 50 tags, keys of 128 and values of 256 characters.
"""

from collections.abc import Callable, Collection

import msgspec

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import UserPool, UserPoolStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException, ResourceNotFoundException

__all__ = ["TagOperations", "check_tags"]

_MAX_TAGS = 50


class TagOperations:
    """What a pool is labelled with."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory) -> None:
        self._store = store
        self._directory = directory

    @operation
    async def tag_resource(self, call: Call, *, resource_arn: str, tags: dict[str, str]) -> Answer:
        check_tags(tags)

        def change(pool: UserPool) -> UserPool:
            merged = {**pool.user_pool_tags, **tags}
            check_tags(merged)
            return msgspec.structs.replace(pool, user_pool_tags=merged)

        await self._change(call, resource_arn, change)
        return {}

    @operation
    async def untag_resource(self, call: Call, *, resource_arn: str, tag_keys: tuple[str, ...]) -> Answer:
        def change(pool: UserPool) -> UserPool:
            left = {key: value for key, value in pool.user_pool_tags.items() if key not in tag_keys}
            return msgspec.structs.replace(pool, user_pool_tags=left)

        await self._change(call, resource_arn, change)
        return {}

    @operation
    async def list_tags_for_resource(self, call: Call, *, resource_arn: str) -> Answer:
        pool = await self._directory.pool(_pool_id(call, resource_arn))
        return {"tags": dict(pool.user_pool_tags)}

    async def _change(self, call: Call, resource_arn: str, change: Callable[[UserPool], UserPool]) -> None:
        pool_id = _pool_id(call, resource_arn)
        if await self._store.change_pool(pool_id, change) is None:
            raise ResourceNotFoundException(f"User pool {pool_id} does not exist.")


def check_tags(tags: Collection[str]) -> None:
    """See that a pool may have all of these tag keys.

    Raises:
        InvalidParameterException: one is AWS's own, or there are more than 50.
    """
    for key in tags:
        if key.lower().startswith("aws:"):
            raise InvalidParameterException(f"The tag key {key} is reserved.")
    if len(tags) > _MAX_TAGS:
        raise InvalidParameterException(f"A user pool has at most {_MAX_TAGS} tags.")


def _pool_id(call: Call, resource_arn: str) -> str:
    """The id in a pool's ARN of this account and region.

    Raises:
        InvalidParameterException: another ARN.
    """
    try:
        arn = parse_arn(resource_arn)
    except InvalidArn:
        raise InvalidParameterException(f"Invalid ARN: {resource_arn}") from None
    kind, slash, pool_id = arn.resource.partition("/")
    if (arn.service, arn.region, arn.account_id, kind) != ("cognito-idp", call.region, call.account_id, "userpool"):
        raise InvalidParameterException(f"Invalid ARN: {resource_arn}")
    return pool_id if slash else ""

"""Tags of user pools: TagResource, UntagResource, ListTagsForResource.

Source: Cognito user pools API, TagResource.
"""

from collections.abc import Callable, Mapping

import msgspec

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import UserPool, UserPoolStore
from velvetrope.tags import TagsRefused, merge_tags
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException, ResourceNotFoundException

__all__ = ["TagOperations", "with_tags"]


class TagOperations:
    """What a pool is labelled with."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory) -> None:
        self._store = store
        self._directory = directory

    @operation
    async def tag_resource(self, call: Call, *, resource_arn: str, tags: dict[str, str]) -> Answer:
        def change(pool: UserPool) -> UserPool:
            return msgspec.structs.replace(pool, user_pool_tags=with_tags(pool.user_pool_tags, tags))

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


def with_tags(present: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """`present` and `added` together.

    Raises:
        InvalidParameterException: a pool may not have them.
    """
    try:
        return merge_tags(present, added)
    except TagsRefused as finding:
        raise InvalidParameterException(finding.message) from None


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

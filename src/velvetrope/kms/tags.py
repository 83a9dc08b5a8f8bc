"""Tags of keys.

Source: AWS KMS Developer Guide, "Tags in AWS KMS"; AWS KMS API Reference, TagResource.
"""

from collections.abc import Mapping, Sequence

import msgspec

from velvetrope.kms.errors import LimitExceededException, TagException
from velvetrope.kms.keys import Keys, check_not_deleted
from velvetrope.kms.paging import page_of, parse_marker
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.kms import KmsKey
from velvetrope.tags import ReservedTagKey, TooManyTags, merge_tags

__all__ = ["Tag", "TagOperations", "read_tags"]

DEFAULT_PAGE = 50


class Tag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tag_key: str
    tag_value: str


class TagOperations:
    """TagResource, UntagResource and ListResourceTags."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @operation
    async def tag_resource(self, call: Call, *, key_id: str, tags: list[Tag]) -> Answer:
        key = await self._keys.find(key_id, call, by_alias=False)
        added = read_tags(tags)

        def tagged(kept: KmsKey) -> KmsKey:
            check_not_deleted(kept)
            return msgspec.structs.replace(kept, tags=_merged(kept.tags, added))

        await self._keys.change(key.arn, call.now, tagged)
        return None

    @operation
    async def untag_resource(self, call: Call, *, key_id: str, tag_keys: list[str]) -> Answer:
        key = await self._keys.find(key_id, call, by_alias=False)

        def untagged(kept: KmsKey) -> KmsKey:
            check_not_deleted(kept)
            left = {name: value for name, value in kept.tags.items() if name not in tag_keys}
            return msgspec.structs.replace(kept, tags=left)

        await self._keys.change(key.arn, call.now, untagged)
        return None

    @operation
    async def list_resource_tags(
        self, call: Call, *, key_id: str, limit: int = DEFAULT_PAGE, marker: str | None = None
    ) -> Answer:
        key = await self._keys.find(key_id, call, by_alias=False)
        after = parse_marker(marker)
        names = sorted(name for name in key.tags if name > after)
        page, more = page_of(names, limit, str)
        return {"tags": [{"tag_key": name, "tag_value": key.tags[name]} for name in page], **more}


def read_tags(tags: Sequence[Tag]) -> dict[str, str]:
    """The tags by their keys.

    Raises:
        TagException: a key twice, or one that is AWS's own.
        LimitExceededException: more than a key may have.
    """
    read = {tag.tag_key: tag.tag_value for tag in tags}
    if len(read) != len(tags):
        raise TagException("Duplicate tag keys")
    return _merged({}, read)


def _merged(present: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    try:
        return merge_tags(present, added)
    except ReservedTagKey as finding:
        raise TagException(finding.message) from None
    except TooManyTags as finding:
        raise LimitExceededException(finding.message) from None

"""Aliases: other names of keys, which can be given to another key later.

Source: AWS KMS Developer Guide, "Aliases in AWS KMS"; AWS KMS API Reference.
"""

from velvetrope.kms.errors import AlreadyExistsException, KMSInternalException, NotFoundException
from velvetrope.kms.keys import Keys, check_not_deleted
from velvetrope.kms.names import check_alias_name, parse_key_name
from velvetrope.kms.paging import page_of, parse_marker
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.kms import KeyAlias

__all__ = ["AliasOperations"]

DEFAULT_PAGE = 50


class AliasOperations:
    """CreateAlias, UpdateAlias, DeleteAlias and ListAliases."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @operation
    async def create_alias(self, call: Call, *, alias_name: str, target_key_id: str) -> Answer:
        check_alias_name(alias_name)
        key = await self._keys.find(target_key_id, call, by_alias=False)
        check_not_deleted(key)
        alias = KeyAlias(
            account_id=call.account_id,
            region=call.region,
            name=alias_name,
            key_arn=key.arn,
            created_at=call.now,
            updated_at=call.now,
        )
        if not await self._keys.store.create_alias(alias):
            raise AlreadyExistsException(f"An alias with the name {alias.arn} already exists")
        return None

    @operation
    async def update_alias(self, call: Call, *, alias_name: str, target_key_id: str) -> Answer:
        alias = await self._find(alias_name, call)
        key = await self._keys.find(target_key_id, call, by_alias=False)
        check_not_deleted(key)
        if not await self._keys.store.move_alias(alias, key.arn, call.now):
            raise _missing(alias.arn)
        return None

    @operation
    async def delete_alias(self, call: Call, *, alias_name: str) -> Answer:
        alias = await self._find(alias_name, call)
        if not await self._keys.store.delete_alias(alias):
            raise _missing(alias.arn)
        return None

    @operation
    async def list_aliases(
        self, call: Call, *, key_id: str | None = None, limit: int = DEFAULT_PAGE, marker: str | None = None
    ) -> Answer:
        of_key = None if key_id is None else (await self._keys.find(key_id, call, by_alias=False)).arn
        found = await self._keys.store.load_aliases(
            call.arn("kms", "alias/"), call.now, key_arn=of_key, after_arn=parse_marker(marker), limit=limit + 1
        )
        page, more = page_of(found, limit, lambda alias: alias.arn)
        return {"aliases": [_entry(alias) for alias in page], **more}

    async def _find(self, alias_name: str, call: Call) -> KeyAlias:
        check_alias_name(alias_name)
        arn = parse_key_name(alias_name, account_id=call.account_id, region=call.region)
        alias = await self._keys.store.load_alias(arn, call.now)
        if alias is None:
            raise _missing(arn)
        if call.judged and alias.key_arn not in call.judged:
            # Somebody gave it to another key since this call was judged by the policy of the one that it had.
            raise KMSInternalException("The alias was changed meanwhile; the request can be retried.")
        return alias


def _missing(alias_arn: str) -> NotFoundException:
    return NotFoundException(f"Alias {alias_arn} is not found.")


def _entry(alias: KeyAlias) -> dict[str, object]:
    """AliasListEntry."""
    return {
        "alias_name": alias.name,
        "alias_arn": alias.arn,
        "target_key_id": alias.key_arn.rpartition("/")[2],
        "creation_date": alias.created_at,
        "last_updated_date": alias.updated_at,
    }

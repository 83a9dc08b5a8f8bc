"""CreateTerms and its siblings: where people who sign up read the terms of use and the privacy policy of an app.

Both are an app client's: one document of each name, of links by language. The sign-up page shows them once the client
has both (`TermsShown`), where the domain's ManagedLoginVersion is 2, in the reader's language or else by the link for
`cognito:default`. Nobody is asked to agree: `Enforcement` is `NONE`, as AWS has it.

A link is opened by people who come to us, so it is a web address: https, or http to this machine. AWS's own rule for
links is UNVERIFIED beyond the model's pattern, and so are all texts here.

Source: Cognito user pools API, CreateTerms, UpdateTerms, DescribeTermsByClient, ListTerms.
"""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_terms import Terms, TermsName, TermsStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    InvalidParameterException,
    ResourceNotFoundException,
    TermsExistsException,
)
from velvetrope.userpools.pages import load_page

__all__ = ["TermsOperations", "TermsShown"]

_PAGE = 60
_MANAGED_LOGIN = 2
_BOTH = frozenset({"terms-of-use", "privacy-policy"})
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class TermsShown:
    """What the sign-up pages have to show of it."""

    def __init__(self, store: TermsStore) -> None:
        self._store = store

    async def links(self, pool: UserPool, client_id: str) -> Mapping[TermsName, Mapping[str, str]]:
        """Links by name and language; none where the pages are the classic ones, or one of the two is not there."""
        if pool.managed_login_version != _MANAGED_LOGIN:
            return {}
        found = {one.name: one.links for one in await self._store.load_of_client(pool.id, client_id)}
        return found if found.keys() == _BOTH else {}


class TermsOperations:
    """See the module."""

    def __init__(self, store: TermsStore, directory: PoolDirectory, entropy: Entropy) -> None:
        self._store = store
        self._directory = directory
        self._entropy = entropy

    @operation
    async def create_terms(
        self,
        call: Call,
        *,
        user_pool_id: str,
        client_id: str,
        terms_name: TermsName,
        terms_source: Literal["LINK"],  # noqa: ARG002  the one source that there is
        enforcement: Literal["NONE"],  # noqa: ARG002  the one that there is
        links: dict[str, str] | None = None,
    ) -> Answer:
        await self._directory.client_of((await self._directory.pool(user_pool_id)).id, client_id)
        if links is None:
            raise InvalidParameterException("Links are required where TermsSource is LINK.")
        new = Terms(
            id=new_uuid(self._entropy),
            user_pool_id=user_pool_id,
            client_id=client_id,
            name=terms_name,
            links=_checked(links),
            created_at=call.now,
            modified_at=call.now,
        )
        if not await self._store.save_new(new):
            raise _exists(client_id, terms_name)
        return {"terms": _described(new)}

    @operation
    async def describe_terms(self, call: Call, *, terms_id: str, user_pool_id: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        found = await self._store.load(user_pool_id, terms_id)
        if found is None:
            raise _missing(terms_id)
        return {"terms": _described(found)}

    @operation
    async def describe_terms_by_client(
        self,
        call: Call,  # noqa: ARG002
        *,
        client_id: str,
        user_pool_id: str,
        terms_name: TermsName,
    ) -> Answer:
        await self._directory.client_of((await self._directory.pool(user_pool_id)).id, client_id)
        for found in await self._store.load_of_client(user_pool_id, client_id):
            if found.name == terms_name:
                return {"terms": _described(found)}
        raise ResourceNotFoundException(f"The app client {client_id} has no {terms_name}.")

    @operation
    async def update_terms(
        self,
        call: Call,
        *,
        terms_id: str,
        user_pool_id: str,
        terms_name: TermsName | None = None,
        terms_source: Literal["LINK"] = "LINK",  # noqa: ARG002  as in create_terms
        enforcement: Literal["NONE"] = "NONE",  # noqa: ARG002  as in create_terms
        links: dict[str, str] | None = None,
    ) -> Answer:
        """What is left out stays; links that are given take the place of all that were there (UNVERIFIED)."""
        await self._directory.pool(user_pool_id)
        new_links = None if links is None else _checked(links)

        def change(kept: Terms) -> Terms:
            return msgspec.structs.replace(
                kept,
                name=terms_name or kept.name,
                links=kept.links if new_links is None else new_links,
                modified_at=call.now,
            )

        changed = await self._store.change(user_pool_id, terms_id, change)
        if changed is None:
            raise _missing(terms_id)
        if changed == "name_taken":
            raise TermsExistsException(f"The app client has {terms_name} already.")
        return {"terms": _described(changed)}

    @operation
    async def delete_terms(self, call: Call, *, terms_id: str, user_pool_id: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        if not await self._store.delete(user_pool_id, terms_id):
            raise _missing(terms_id)
        return None

    @operation
    async def list_terms(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        max_results: int = _PAGE,
        next_token: str | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        found, going_on = await load_page(
            lambda after: self._store.load_page(user_pool_id, after=after, limit=max_results),
            lambda one: one.id,
            token=next_token,
            limit=max_results,
        )
        listed = [
            {
                "terms_id": one.id,
                "terms_name": one.name,
                "enforcement": "NONE",
                "creation_date": one.created_at,
                "last_modified_date": one.modified_at,
            }
            for one in found
        ]
        return {"terms": listed, "next_token": going_on}


def _checked(links: dict[str, str]) -> dict[str, str]:
    """Links of which each is a web address. Which languages there are, and how many, is the model's.

    Raises:
        InvalidParameterException: one is none.
    """
    for language, url in links.items():
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            host, parts = None, None
        if parts is None or not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _HERE)):
            raise InvalidParameterException(f"Links: {language} is not an https URL.")
    return links


def _exists(client_id: str, name: str) -> TermsExistsException:
    return TermsExistsException(f"The app client {client_id} has {name} already.")


def _missing(terms_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Terms {terms_id} do not exist.")


def _described(kept: Terms) -> dict[str, object]:
    """TermsType."""
    return {
        "terms_id": kept.id,
        "user_pool_id": kept.user_pool_id,
        "client_id": kept.client_id,
        "terms_name": kept.name,
        "terms_source": "LINK",
        "enforcement": "NONE",
        "links": kept.links,
        "creation_date": kept.created_at,
        "last_modified_date": kept.modified_at,
    }

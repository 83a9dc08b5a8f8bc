"""Domain names, their base path mappings, and the account's settings.

A domain name belongs to one account, and its base paths to it, whichever kind of API they lead to: there is a table of
mappings for each kind, so that each row's API exists, and a change holds the domain name's row, so that no base path
is in both. What they have in common with APIs (one that a mapping leads to is not deleted) is kept by `ApiGatewayStore`
and `HttpApiStore`, in whose transactions the tables here are read too. A change of names or mappings is published as
topic `apigateway-domains`.
"""

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Select, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.dialects.first_rows import insert_unless_there
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.apigateway_records import Account, BasePathMapping, DomainName
from velvetrope.store.tables.host_names import is_host_name_taken

__all__ = ["ACCOUNTS", "DOMAIN_NAMES", "HTTP_MAPPINGS", "MAPPINGS", "DomainNameStore"]

TOPIC = "apigateway-domains"

DOMAIN_NAMES = Table(
    "apigateway_domain_names",
    METADATA,
    Column("domain_name", String(512), primary_key=True),
    Column("account_id", String(12), nullable=False, index=True),
    Column("record", Record(DomainName), nullable=False),
)
MAPPINGS = Table(
    "apigateway_base_path_mappings",
    METADATA,
    Column("domain_name", String(512), primary_key=True),
    Column("base_path", String(300), primary_key=True),
    Column("rest_api_id", String(64), nullable=False, index=True),
    Column("record", Record(BasePathMapping), nullable=False),
    ForeignKeyConstraint(["domain_name"], ["apigateway_domain_names.domain_name"], ondelete="CASCADE"),
    ForeignKeyConstraint(["rest_api_id"], ["apigateway_rest_apis.id"]),
)
HTTP_MAPPINGS = Table(
    "apigatewayv2_api_mappings",
    METADATA,
    Column("domain_name", String(512), primary_key=True),
    Column("base_path", String(300), primary_key=True),
    Column("api_id", String(64), nullable=False, index=True),
    Column("record", Record(BasePathMapping), nullable=False),
    ForeignKeyConstraint(["domain_name"], ["apigateway_domain_names.domain_name"], ondelete="CASCADE"),
    ForeignKeyConstraint(["api_id"], ["apigatewayv2_apis.id"]),
)
ACCOUNTS = Table(
    "apigateway_accounts",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("record", Record(Account), nullable=False),
)


class DomainNameStore:
    """The transactions of domain names, mappings and the account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Domain names

    async def save_new_domain_name(self, domain: DomainName) -> bool:
        """Keep a domain name; False if anybody has it, a user pool included."""
        try:
            async with self._database.transaction() as tx:
                if await is_host_name_taken(tx.connection, domain.domain_name):
                    return False
                await tx.connection.execute(
                    insert(DOMAIN_NAMES).values(
                        domain_name=domain.domain_name, account_id=domain.account_id, record=domain
                    )
                )
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def load_domain_name(self, account_id: str, domain_name: str) -> DomainName | None:
        async with self._database.read() as connection:
            found: DomainName | None = (
                await connection.execute(_domain_query(account_id, domain_name))
            ).scalar_one_or_none()
        return found

    async def load_domain_names(self, account_id: str) -> list[DomainName]:
        """All of an account by name."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(DOMAIN_NAMES.c.record)
                .where(DOMAIN_NAMES.c.account_id == account_id)
                .order_by(DOMAIN_NAMES.c.domain_name)
            )
            return list(rows.scalars())

    async def change_domain_name(
        self,
        account_id: str,
        domain_name: str,
        change: Callable[[DomainName], DomainName],
        check: Callable[[DomainName, Collection[BasePathMapping]], None] | None = None,
    ) -> DomainName | None:
        """Save what `change` makes of the domain name; None if there is none.

        `check` is given that and the name's mappings; what it raises leaves all as it was.
        """
        async with self._database.transaction() as tx:
            found = (
                await tx.connection.execute(_domain_query(account_id, domain_name).with_for_update())
            ).scalar_one_or_none()
            if found is None:
                return None
            changed = change(found)
            if check is not None:
                check(changed, await _mappings_of(tx.connection, domain_name))
            await tx.connection.execute(
                update(DOMAIN_NAMES).where(DOMAIN_NAMES.c.domain_name == domain_name).values(record=changed)
            )
            tx.changed(TOPIC)
            return changed

    async def delete_domain_name(self, account_id: str, domain_name: str) -> bool:
        """Remove a domain name and its mappings; False if there was none."""
        async with self._database.transaction() as tx:
            if (await tx.connection.execute(_domain_query(account_id, domain_name))).scalar_one_or_none() is None:
                return False
            for table in (MAPPINGS, HTTP_MAPPINGS):
                await tx.connection.execute(delete(table).where(table.c.domain_name == domain_name))
            await tx.connection.execute(delete(DOMAIN_NAMES).where(DOMAIN_NAMES.c.domain_name == domain_name))
            tx.changed(TOPIC)
            return True

    async def save_new_base_path_mapping(self, mapping: BasePathMapping) -> bool:
        """Keep a mapping; False if its base path is taken. Domain name, API and stage: the caller has looked."""
        try:
            async with self._database.transaction() as tx:
                present = await _hold_mappings(tx.connection, mapping.domain_name)
                if any(other.base_path == mapping.base_path for other in present):
                    return False
                await _insert_mapping(tx.connection, mapping)
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def load_base_path_mappings(self, domain_name: str) -> list[BasePathMapping]:
        """All of a domain name by base path."""
        async with self._database.read() as connection:
            return await _mappings_of(connection, domain_name)

    async def change_base_path_mapping(
        self,
        domain_name: str,
        is_wanted: Callable[[BasePathMapping], bool],
        change: Callable[[BasePathMapping, Collection[BasePathMapping]], BasePathMapping],
    ) -> BasePathMapping | None:
        """Save what `change` makes of the mapping, given all others of its domain name; None if there is none."""
        async with self._database.transaction() as tx:
            present = await _hold_mappings(tx.connection, domain_name)
            found = next((mapping for mapping in present if is_wanted(mapping)), None)
            if found is None:
                return None
            changed = change(found, [mapping for mapping in present if mapping is not found])
            await _delete_mapping(tx.connection, found)
            await _insert_mapping(tx.connection, changed)
            tx.changed(TOPIC)
            return changed

    async def delete_base_path_mapping(self, domain_name: str, is_wanted: Callable[[BasePathMapping], bool]) -> bool:
        """Remove a mapping; False if there was none."""
        async with self._database.transaction() as tx:
            present = await _hold_mappings(tx.connection, domain_name)
            found = next((mapping for mapping in present if is_wanted(mapping)), None)
            if found is None:
                return False
            await _delete_mapping(tx.connection, found)
            tx.changed(TOPIC)
            return True

    async def load_served(self) -> tuple[list[DomainName], list[BasePathMapping]]:
        """Every domain name and every mapping, at one commit."""
        async with self._database.read() as connection:
            domains = list((await connection.execute(select(DOMAIN_NAMES.c.record))).scalars())
            return domains, await _mappings_of(connection, None)

    async def load_account(self, account_id: str) -> Account:
        """An account's settings; the defaults if nothing was set."""
        async with self._database.read() as connection:
            found: Account | None = (await connection.execute(_account_query(account_id))).scalar_one_or_none()
        return found or Account(account_id=account_id)

    async def change_account(self, account_id: str, change: Callable[[Account], Account]) -> Account:
        """Save what `change` makes of an account's settings."""
        async with self._database.transaction() as tx:
            await insert_unless_there(
                tx.connection, ACCOUNTS, account_id=account_id, record=Account(account_id=account_id)
            )
            changed = change((await tx.connection.execute(_account_query(account_id).with_for_update())).scalar_one())
            await tx.connection.execute(
                update(ACCOUNTS).where(ACCOUNTS.c.account_id == account_id).values(record=changed)
            )
            return changed


def _domain_query(account_id: str, domain_name: str) -> Select[Any]:
    return select(DOMAIN_NAMES.c.record).where(
        DOMAIN_NAMES.c.domain_name == domain_name, DOMAIN_NAMES.c.account_id == account_id
    )


def _account_query(account_id: str) -> Select[Any]:
    return select(ACCOUNTS.c.record).where(ACCOUNTS.c.account_id == account_id)


async def _hold_mappings(connection: Connection, domain_name: str) -> list[BasePathMapping]:
    # Whoever changes mappings of a name holds its row, so that what is found here stays all there is.
    await connection.execute(
        select(DOMAIN_NAMES.c.domain_name).where(DOMAIN_NAMES.c.domain_name == domain_name).with_for_update()
    )
    return await _mappings_of(connection, domain_name)


async def _mappings_of(connection: Connection, domain_name: str | None) -> list[BasePathMapping]:
    # Of one name, or of all, by base path.
    found: list[BasePathMapping] = []
    for table in (MAPPINGS, HTTP_MAPPINGS):
        query = select(table.c.record)
        if domain_name is not None:
            query = query.where(table.c.domain_name == domain_name)
        found.extend((await connection.execute(query)).scalars())
    return sorted(found, key=lambda mapping: (mapping.domain_name, mapping.base_path))


async def _insert_mapping(connection: Connection, mapping: BasePathMapping) -> None:
    table = HTTP_MAPPINGS if mapping.is_http else MAPPINGS
    api = {"api_id" if mapping.is_http else "rest_api_id": mapping.api_id}
    row = {"domain_name": mapping.domain_name, "base_path": mapping.base_path, "record": mapping}
    await connection.execute(insert(table).values({**row, **api}))


async def _delete_mapping(connection: Connection, mapping: BasePathMapping) -> None:
    table = HTTP_MAPPINGS if mapping.is_http else MAPPINGS
    await connection.execute(
        delete(table).where(table.c.domain_name == mapping.domain_name, table.c.base_path == mapping.base_path)
    )

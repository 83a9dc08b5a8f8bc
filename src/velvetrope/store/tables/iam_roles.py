"""Roles."""

from collections.abc import Callable

from velvetrope.store.tables.iam_entities import (
    TOPIC,
    EntityStore,
    delete_entity,
    list_entities,
    load_entity,
    unlimited,
)
from velvetrope.store.tables.iam_records import Role

__all__ = ["RoleStore"]


class RoleStore(EntityStore):
    """Roles, one method one transaction."""

    async def load_role(self, account_id: str, role_name: str) -> Role | None:
        """The role of this name."""
        async with self._database.read() as connection:
            return await load_entity(connection, Role, account_id, role_name)

    async def list_roles(
        self, account_id: str, *, path_prefix: str = "/", after: str = "", limit: int = 1000
    ) -> list[Role]:
        """Up to `limit` roles whose path starts so, by name, from behind `after`."""
        async with self._database.read() as connection:
            return await list_entities(connection, Role, account_id, path_prefix, after, limit)

    async def save_new_role(self, role: Role, check: Callable[[int], None] = unlimited) -> bool:
        """Keep a new role, bounded by its `permissions_boundary_arn`; False if the name is taken.

        `check` is told how many roles there are.
        """
        return await self._save_new(role, check)

    async def change_role(self, account_id: str, role_name: str, change: Callable[[Role], Role]) -> Role | None:
        """Apply `change` to the role as it is, and give the result; None if there is no such role."""
        return await self._change(Role, account_id, role_name, change)

    async def delete_role(self, account_id: str, role_name: str, check: Callable[[Role], None]) -> Role | None:
        """Delete the role if `check` lets it pass, and give what was deleted; None if there is no such role."""
        async with self._database.transaction() as tx:
            role = await load_entity(tx.connection, Role, account_id, role_name, lock=True)
            if role is None:
                return None
            check(role)
            await delete_entity(tx.connection, "role", account_id, role_name)
            tx.changed(TOPIC)
            return role

"""Managed policies of customers, and who carries them or is bounded by them.

AWS's own managed policies are no rows here: they are data of the `iam` room.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Column, Index, String, Table, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.iam_entities import (
    TOPIC,
    EntityStore,
    attach,
    attachments,
    count_rows,
    load_any_entity,
    of_entity,
    starts_with,
    unlimited,
)
from velvetrope.store.tables.iam_records import (
    Attachment,
    AttachOutcome,
    DetachOutcome,
    EntityKind,
    ManagedPolicy,
    ManagedPolicyUse,
    PolicyHolder,
)

__all__ = ["PolicyStore", "policies"]

policies = Table(
    "iam_policies",
    METADATA,
    Column("arn", String(2048), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("name", String(128), nullable=False),
    Column("name_key", String(128), nullable=False),
    Column("path", String(512), nullable=False),
    Column("record", Record(ManagedPolicy), nullable=False),
    Index("iam_policies_by_name_key", "account_id", "name_key", unique=True),
)


class PolicyStore(EntityStore):
    """Managed policies and their attachments, one method one transaction."""

    async def attach_policy(
        self,
        account_id: str,
        kind: EntityKind,
        name: str,
        policy_arn: str,
        *,
        check: Callable[[PolicyHolder], None],
        is_row: bool,
    ) -> AttachOutcome:
        """Attach a managed policy; once attached it stays so, however often it is asked for.

        `is_row` says that the policy is a customer's and must exist here. `check` sees whom it is for as they are.
        """
        async with self._database.transaction() as tx:
            entity = await load_any_entity(tx.connection, kind, account_id, name)
            if entity is None:
                return "no entity"
            if is_row and not await _lock_policy(tx.connection, policy_arn):
                return "no policy"
            if policy_arn not in entity.attached_policy_arns:
                check(entity)
                await attach(tx.connection, account_id, kind, name, "policy", policy_arn)
            tx.changed(TOPIC)
            return "attached"

    async def detach_policy(self, account_id: str, kind: EntityKind, name: str, policy_arn: str) -> DetachOutcome:
        """Take a managed policy away."""
        async with self._database.transaction() as tx:
            if await load_any_entity(tx.connection, kind, account_id, name) is None:
                return "no entity"
            gone = (
                await tx.connection.execute(
                    delete(attachments)
                    .where(*of_entity(account_id, kind, name, "policy"), attachments.c.policy_arn == policy_arn)
                    .returning(attachments.c.policy_arn)
                )
            ).one_or_none()
            tx.changed(TOPIC)
            return "not attached" if gone is None else "detached"

    async def set_boundary(
        self, account_id: str, kind: EntityKind, name: str, policy_arn: str | None, *, is_row: bool
    ) -> AttachOutcome:
        """Make a policy the permissions boundary in place of any other; None takes the boundary away."""
        async with self._database.transaction() as tx:
            if await load_any_entity(tx.connection, kind, account_id, name) is None:
                return "no entity"
            if policy_arn is not None and is_row and not await _lock_policy(tx.connection, policy_arn):
                return "no policy"
            await tx.connection.execute(delete(attachments).where(*of_entity(account_id, kind, name, "boundary")))
            if policy_arn is not None:
                await attach(tx.connection, account_id, kind, name, "boundary", policy_arn)
            tx.changed(TOPIC)
            return "attached"

    async def list_attachments(self, account_id: str, policy_arn: str) -> list[Attachment]:
        """Who carries the policy or is bounded by it, by kind and name."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(attachments.c.entity_kind, attachments.c.entity_name, attachments.c.usage)
                .where(attachments.c.account_id == account_id, attachments.c.policy_arn == policy_arn)
                .order_by(attachments.c.entity_kind, attachments.c.entity_name)
            )
            return [Attachment(entity_kind=row[0], entity_name=row[1], usage=row[2]) for row in rows]

    async def load_policy(self, arn: str) -> ManagedPolicy | None:
        """The customer managed policy of this ARN."""
        async with self._database.read() as connection:
            found: ManagedPolicy | None = (
                await connection.execute(select(policies.c.record).where(policies.c.arn == arn))
            ).scalar_one_or_none()
            return found

    async def load_policies(self, arns: Sequence[str]) -> dict[str, ManagedPolicy]:
        """Those of the customer managed policies that exist, by ARN."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(policies.c.record).where(policies.c.arn.in_(arns)))
            return {policy.arn: policy for policy in rows.scalars()}

    async def list_policies(
        self, account_id: str, *, path_prefix: str = "/", after: str = "", limit: int = 1000
    ) -> list[ManagedPolicy]:
        """Up to `limit` customer managed policies whose path starts so, by name, from behind `after`."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(policies.c.record)
                .where(
                    policies.c.account_id == account_id,
                    policies.c.name > after,
                    starts_with(policies.c.path, path_prefix),
                )
                .order_by(policies.c.name)
                .limit(limit)
            )
            return list(rows.scalars())

    async def load_policy_uses(self, account_id: str) -> dict[str, ManagedPolicyUse]:
        """For each policy that is used at all, how often."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(attachments.c.policy_arn, attachments.c.usage, func.count())
                .where(attachments.c.account_id == account_id)
                .group_by(attachments.c.policy_arn, attachments.c.usage)
            )
            uses: dict[str, dict[str, int]] = {}
            for arn, usage, count in rows:
                uses.setdefault(arn, {})["boundaries" if usage == "boundary" else "attachments"] = count
            return {arn: ManagedPolicyUse(**counts) for arn, counts in uses.items()}

    async def save_new_policy(self, policy: ManagedPolicy, check: Callable[[int], None] = unlimited) -> bool:
        """Keep a new policy if `check`, told how many there are, lets it pass; False if the name is taken."""
        try:
            async with self._database.transaction() as tx:
                check(await count_rows(tx.connection, policies, policy.account_id))
                await tx.connection.execute(
                    insert(policies).values(
                        arn=policy.arn,
                        account_id=policy.account_id,
                        name=policy.policy_name,
                        name_key=policy.policy_name.lower(),
                        path=policy.path,
                        record=policy,
                    )
                )
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def change_policy(self, arn: str, change: Callable[[ManagedPolicy], ManagedPolicy]) -> ManagedPolicy | None:
        """Apply `change` to the policy as it is, and give the result; None if there is no such policy."""
        async with self._database.transaction() as tx:
            present: ManagedPolicy | None = (
                await tx.connection.execute(select(policies.c.record).where(policies.c.arn == arn).with_for_update())
            ).scalar_one_or_none()
            if present is None:
                return None
            changed = change(present)
            await tx.connection.execute(update(policies).where(policies.c.arn == arn).values(record=changed))
            tx.changed(TOPIC)
            return changed

    async def delete_policy(self, arn: str, check: Callable[[ManagedPolicy, bool], None]) -> ManagedPolicy | None:
        """Delete the policy if `check`, told of the policy and whether it is in use, lets it pass; None if unknown."""
        async with self._database.transaction() as tx:
            present: ManagedPolicy | None = (
                await tx.connection.execute(select(policies.c.record).where(policies.c.arn == arn).with_for_update())
            ).scalar_one_or_none()
            if present is None:
                return None
            in_use = await tx.connection.scalar(select(exists().where(attachments.c.policy_arn == arn)))
            check(present, bool(in_use))
            await tx.connection.execute(delete(policies).where(policies.c.arn == arn))
            tx.changed(TOPIC)
            return present


async def _lock_policy(connection: Connection, arn: str) -> bool:
    """Whether the policy is there; if so, it stays until the transaction ends."""
    row = await connection.execute(select(policies.c.arn).where(policies.c.arn == arn).with_for_update())
    return row.one_or_none() is not None

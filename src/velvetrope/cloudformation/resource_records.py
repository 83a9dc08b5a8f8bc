"""Resources of stacks as the store has them: what may be secret is sealed."""

from datetime import datetime

from velvetrope.cloudformation.contents import ResourceContents, Vault
from velvetrope.cloudformation.planning import Existing
from velvetrope.cloudformation.resource import Made
from velvetrope.store.tables.cloudformation import ResourceRecord

__all__ = ["existing_of", "record_of"]


def record_of(existing: Existing, stack_id: str, vault: Vault, *, status_reason: str, at: datetime) -> ResourceRecord:
    """A resource of the stack, sealed."""
    contents = ResourceContents(
        properties=dict(existing.properties),
        ref=existing.made.ref,
        attributes=dict(existing.made.attributes),
        name=existing.made.name,
        attempted=None if existing.attempted is None else dict(existing.attempted),
    )
    return ResourceRecord(
        stack_id=stack_id,
        incarnation=existing.incarnation,
        logical_id=existing.logical_id,
        resource_type=existing.type,
        physical_id=existing.made.physical_id,
        status=existing.status,
        status_reason=status_reason,
        updated_at=at,
        sealed=vault.seal_resource(stack_id, existing.incarnation, contents),
        depends_on=tuple(sorted(existing.depends_on)),
        deletion_policy=existing.deletion_policy,
        update_replace_policy=existing.update_replace_policy,
        retired=existing.retired,
    )


def existing_of(record: ResourceRecord, vault: Vault) -> Existing:
    """A recorded resource, opened."""
    contents = vault.open_resource(record)
    return Existing(
        logical_id=record.logical_id,
        type=record.resource_type,
        incarnation=record.incarnation,
        made=Made(record.physical_id, contents.ref, contents.attributes, contents.name),
        properties=contents.properties,
        status=record.status,
        depends_on=frozenset(record.depends_on),
        deletion_policy=record.deletion_policy,
        update_replace_policy=record.update_replace_policy,
        retired=record.retired,
        attempted=contents.attempted,
    )

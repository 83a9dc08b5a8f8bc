"""Alembic's environment: run the migrations on the connection that `schema.migrate` hands over, in its transaction."""

from alembic import context

from velvetrope.store import tables  # noqa: F401  the import declares every table
from velvetrope.store.schema import METADATA

_given = context.config.attributes

context.configure(
    connection=_given["connection"],
    target_metadata=METADATA,
    **({"render_item": _given["render_item"]} if "render_item" in _given else {}),
)
with context.begin_transaction():
    context.run_migrations()

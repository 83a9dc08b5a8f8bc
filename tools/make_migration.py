"""Write the next migration from what the tables in the code and the migrations so far differ in.

    python tools/make_migration.py "what is now true of the schema"

Look at what it wrote: a renamed column comes out as one dropped and one added. Then set `HEAD` in `store/schema.py`.
"""

import sys
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.types import TypeDecorator

import velvetrope.store
from velvetrope.store import tables  # noqa: F401  the import declares every table
from velvetrope.store.schema import HEAD

MIGRATIONS = Path(velvetrope.store.__file__).with_name("migrations")


def render_item(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Our own column types are written as what the database sees: a migration must not change when they do."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{type(item.impl_instance).__name__}()"
    return False


def main(message: str) -> None:
    engine = create_engine("sqlite://")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    versions = sorted((MIGRATIONS / "versions").glob("[0-9]*.py"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        config.attributes["render_item"] = render_item
        if versions:
            command.upgrade(config, "head")

        def nothing_to_do(_context: MigrationContext, _revision: object, scripts: list[MigrationScript]) -> None:
            if scripts[0].upgrade_ops is None or scripts[0].upgrade_ops.is_empty():
                sys.exit("The migrations lead to the tables in the code; there is nothing to write.")

        number = f"{len(versions) + 1:04d}"
        command.revision(config, message, autogenerate=True, rev_id=number, process_revision_directives=nothing_to_do)
    print(f"Wrote migration {number}. HEAD in store/schema.py is {HEAD}.")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "the tables as they are")

"""The schema's version: a new database is made at the newest, an old one is migrated, a newer one is refused.

A database with nothing in it gets all tables at once and is stamped with `HEAD`, so that a first start does not pay for
importing Alembic; a test proves that the migrations in `store/migrations/` lead to the same tables. Migrations are
numbered and go forward only.
"""

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from velvetrope.errors import VelvetropeError

__all__ = ["HEAD", "METADATA", "SchemaTooNew", "migrate", "prepare_schema", "schema_version"]

METADATA = MetaData()
"""Every table of every file in `store/tables/` is declared on this."""

HEAD = "0007"
"""The newest migration's number."""

_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


class SchemaTooNew(VelvetropeError):
    """The database was written by a newer velvetrope than this one."""


def prepare_schema(connection: Connection) -> None:
    """Make the schema the newest, whatever it was.

    Raises:
        SchemaTooNew: its version is not one that this velvetrope knows.
    """
    found = schema_version(connection)
    if found is None:
        METADATA.create_all(connection)
        _version.create(connection)
        connection.execute(insert(_version).values(version_num=HEAD))
    elif found < HEAD:
        migrate(connection)


def schema_version(connection: Connection) -> str | None:
    """The number of the schema that is there; None where nothing is.

    Raises:
        SchemaTooNew: it is not one that this velvetrope knows.
    """
    from velvetrope.store import tables  # noqa: F401  the import declares every table on METADATA

    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str = connection.execute(select(_version.c.version_num)).scalar_one()
    if found > HEAD:
        raise SchemaTooNew(
            f"The state was written by a newer velvetrope (schema {found}; this one knows {HEAD}). "
            "Upgrade velvetrope, or point it at another state folder."
        )
    return found


def migrate(connection: Connection) -> None:
    """Run the migrations that are still to run, in order, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout TO 0")  # an index takes what it takes
    command.upgrade(config, "head")

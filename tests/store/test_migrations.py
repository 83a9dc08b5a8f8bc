"""A new database and a migrated one have the same tables."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from velvetrope.store import tables
from velvetrope.store.schema import HEAD, METADATA, migrate


def test_the_migrations_lead_to_the_tables_in_the_code(tmp_path: Path) -> None:
    assert tables.__all__
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)

        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == HEAD
        assert set(inspect(connection).get_table_names()) == {*METADATA.tables, "alembic_version"}
    engine.dispose()

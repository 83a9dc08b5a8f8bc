"""A new database and a migrated one have the same tables, on both databases."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, inspect
from sqlalchemy.engine import make_url

from support.stores import PostgresStores
from velvetrope.store import tables
from velvetrope.store.dialects import open_engine
from velvetrope.store.schema import HEAD, METADATA, migrate, prepare_schema


def test_the_migrations_lead_to_the_tables_in_the_code(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert tables.__all__
    folder: Path = tmp_path_factory.mktemp("migrated")
    engine = create_engine(f"sqlite:///{folder / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)

        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == HEAD
        assert set(inspect(connection).get_table_names()) == {*METADATA.tables, "alembic_version"}
    engine.dispose()


def test_on_postgresql_a_migrated_database_is_as_a_new_one(postgres_stores: PostgresStores) -> None:
    """Columns with their types, defaults and order of texts; keys, foreign keys and indexes, partial ones too."""
    with postgres_stores.bare() as new_url, postgres_stores.bare() as old_url:
        new, old = (open_engine(make_url(url), durable=False)[0] for url in (new_url, old_url))
        in_transaction(new, prepare_schema)
        in_transaction(old, migrate)

        assert shape_of(old) == shape_of(new)
        with old.connect() as connection:
            assert MigrationContext.configure(connection).get_current_revision() == HEAD
        for engine in (new, old):
            engine.dispose()


def in_transaction(engine: Engine, work: Callable[[Connection], None]) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        work(connection)
        connection.commit()


def shape_of(engine: Engine) -> dict[str, set[tuple[object, ...]]]:
    columns = """
        SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default
        FROM information_schema.columns WHERE table_schema = 'public'
    """
    indexes = """
        SELECT tablename, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename != 'alembic_version'
    """
    constraints = """
        SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
    """

    def rows(connection: Connection, query: str) -> set[tuple[object, ...]]:
        return {tuple(row) for row in connection.exec_driver_sql(query)}

    with engine.connect() as connection:
        return {
            "columns": rows(connection, columns),
            "indexes": rows(connection, indexes),
            "constraints": rows(connection, constraints),
        }

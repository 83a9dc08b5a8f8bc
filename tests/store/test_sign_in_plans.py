"""What every sign-in asks does not take longer in a larger pool: SQLite looks at the rows of that user alone."""

from sqlalchemy import create_engine
from sqlalchemy.dialects import sqlite

from velvetrope.store import tables
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.userpools_directory import LOAD_USER_AND_ATTEMPTS


def test_sign_in_looks_at_no_rows_but_the_users_own() -> None:
    assert tables.__all__
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    statement = LOAD_USER_AND_ATTEMPTS.spelled(sqlite.dialect()).text
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?"))
        steps = [str(row[-1]) for row in rows if "userpools_" in str(row[-1])]
    engine.dispose()

    assert len(steps) == 4
    assert all("(user_pool_id=? AND " in step for step in steps), steps

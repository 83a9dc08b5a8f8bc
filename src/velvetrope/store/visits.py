"""What is asked so often that SQLAlchemy's own part is felt: prepared statements, and visits that run them.

    _LOAD = Prepared(select(users.c.record).where(users.c.username_key == bindparam("username_key")))

    def load(visit: Visit) -> User | None:
        row = visit.one(_LOAD, {"username_key": "anna"})
        return None if row is None else row[0]

    await database.read_at_once(load)

SQLAlchemy still says how a statement is spelled and how its values travel, once for each `Prepared`; after that the
driver runs the text. Through SQLAlchemy's connection the same statement takes four to eight times the processor, and
as much again for a connection that is taken from the pool and given back. So each of the store's threads keeps one, and
a `Visit` is that connection inside one transaction. Statements that are rare go through `Visit.execute`, in the same
transaction.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar, TypeVarTuple, overload

from sqlalchemy import Connection, CursorResult, Executable, Select
from sqlalchemy.engine import Dialect as Spelling
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.selectable import TypedReturnsRows

from velvetrope.store.dialects import Dialect
from velvetrope.store.drivers import close_connection, driver_of, named_error
from velvetrope.store.turns import TurnTaken

__all__ = ["Prepared", "TransactionUndone", "Visit"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Processor = Callable[[Any], Any]


class Prepared:
    """A statement that is compiled once.

    Every value in it is a `bindparam` by name, or fixed. `columns` are those that an `insert` fills. Rows come of a
    `select` alone.
    """

    def __init__(self, statement: ClauseElement, *columns: str) -> None:
        self._statement = statement
        self._columns = columns
        self._spelled: dict[str, _Spelled] = {}

    def spelled(self, spelling: Spelling) -> "_Spelled":
        """The statement in one database's words."""
        known = self._spelled.get(spelling.name)
        if known is None:
            known = self._spelled[spelling.name] = _Spelled(self._statement, self._columns, spelling)
        return known


class _Spelled:
    """Text, how its values are bound, and how the values of its rows are read."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str], spelling: Spelling) -> None:
        compiled: Any = statement.compile(dialect=spelling, column_keys=list(columns) or None)
        if any(bind.expanding or bind.literal_execute for bind in compiled.binds.values()):
            raise ValueError("a prepared statement has as many values as it says")
        if compiled.positiontup is None:
            raise ValueError(f"{spelling.name} does not bind values by position")
        self.text = str(compiled)
        self._names: list[str] = compiled.positiontup
        binds = compiled.binds
        self._required = frozenset(name for name in self._names if binds[name].required)
        self._fixed = {name: binds[name].value for name in self._names if not binds[name].required}
        self._binders = _converters(
            binds[name].type.dialect_impl(spelling).bind_processor(spelling) for name in self._names
        )
        returned = statement.selected_columns if isinstance(statement, Select) else ()
        self._readers = _converters(
            column.type.dialect_impl(spelling).result_processor(spelling, None) for column in returned
        )

    def bound(self, values: Mapping[str, object]) -> list[object]:
        """The driver's parameters.

        Raises:
            KeyError: a value is missing, or there is one that the statement does not know.
        """
        if values.keys() != self._required:
            raise KeyError(f"{sorted(self._required ^ values.keys())} of {self.text}")
        known = {**self._fixed, **values} if self._fixed else values
        bound: list[Any] = [*map(known.__getitem__, self._names)]
        for index, convert in self._binders:
            if bound[index] is not None:
                bound[index] = convert(bound[index])
        return bound

    def read(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """A row as the columns' types have it."""
        read = list(row)
        for index, convert in self._readers:
            if read[index] is not None:
                read[index] = convert(read[index])
        return tuple(read)


def _converters(processors: Iterable[Processor | None]) -> list[tuple[int, Processor]]:
    """Of those values that are not taken as they are: which, and by what. None is NULL for every type of ours."""
    return [(index, convert) for index, convert in enumerate(processors) if convert is not None]


class TransactionUndone(Exception):
    """The database has undone a whole transaction by itself, as it may where it has no room, memory or disk left."""


class Visit:
    """The connection that a thread of the store keeps, inside one transaction at a time."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._driver = driver_of(connection)
        self._cursor = dialect.plain_cursor(self._driver)
        self._spelled: dict[Prepared, _Spelled] = {}
        self._errors: type[Exception] = connection.dialect.loaded_dbapi.Error
        self._writes = False
        self.in_use = threading.Lock()
        """Held by its thread while it uses the visit, so that the visit is not closed under its hands."""

    def rows(self, statement: Prepared, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """All rows that it finds."""
        spelled = self._run(statement, values)
        try:
            found = self._cursor.fetchall()
        except self._errors as error:
            raise named_error(error, spelled.text) from error
        return [spelled.read(row) for row in found]

    def one(self, statement: Prepared, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """The first row that it finds, or None."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def change(self, statement: Prepared, values: Mapping[str, object]) -> int:
        """How many rows it changed.

        Raises:
            sqlalchemy.exc.IntegrityError: a key is taken.
        """
        self._run(statement, values)
        return int(self._cursor.rowcount)

    def change_each(self, statement: Prepared, rows: Sequence[Mapping[str, object]]) -> None:
        """Run it once for each of `rows`, which travel together where they travel.

        Raises:
            sqlalchemy.exc.IntegrityError: a key is taken.
        """
        spelled = self._spell(statement)
        bound = [spelled.bound(values) for values in rows]
        try:
            self._cursor.executemany(spelled.text, bound)
        except self._errors as error:
            raise named_error(error, spelled.text) from error

    @overload
    def execute(self, statement: TypedReturnsRows[*Ts]) -> CursorResult[*Ts]: ...

    @overload
    def execute(self, statement: Executable) -> CursorResult[*tuple[Any, ...]]: ...

    def execute(self, statement: Executable) -> CursorResult[*tuple[Any, ...]]:
        """Run a statement that is not prepared."""
        return self._connection.execute(statement)

    def part(self, work: Callable[["Visit"], T]) -> T:
        """What `work` answers, as a part of the transaction: where it raises, its changes alone are undone.

        Raises:
            TransactionUndone: nothing of the transaction is left, whatever came before this part.
        """
        self._say("SAVEPOINT part")
        try:
            return work(self)
        except BaseException:
            self._say("ROLLBACK TO SAVEPOINT part")
            raise
        finally:
            # Fails, and says so, if the database has undone the transaction, and with it this mark.
            self._say("RELEASE SAVEPOINT part")

    # For `Database`

    def begin(self, *, writes: bool, waits_for_disk: bool = True, is_patient: bool = True) -> None:
        """Start the transaction.

        Raises:
            TurnTaken: another process is writing, and this does not wait for it.
        """
        self._writes = writes
        try:
            self._dialect.begin(self._driver, writes=writes, waits_for_disk=waits_for_disk, is_patient=is_patient)
        except self._errors as error:
            if not is_patient and self._dialect.is_busy(error):
                raise TurnTaken from error
            raise named_error(error, "BEGIN") from error

    def commit(self, topics: Collection[str] = ()) -> None:
        """Make it last, and tell other nodes of `topics`."""
        try:
            self._dialect.commit(self._driver, topics)
        except self._errors as error:
            raise named_error(error, "COMMIT") from error
        self._forget_engine_transaction()

    def leave(self) -> None:
        """Undo what was done since `begin`, if it has not been committed."""
        try:
            if not self.is_lost:
                self._dialect.leave(self._driver, writes=self._writes)
        except self._errors as error:
            raise named_error(error, "ROLLBACK") from error
        self._forget_engine_transaction()

    @property
    def driver(self) -> DBAPIConnection:
        """The connection as its driver has it."""
        return self._driver

    @property
    def is_lost(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._connection.invalidated or self._dialect.is_lost(self._driver)

    def close(self) -> None:
        """Let go of the connection, once nobody uses it."""
        with self.in_use:
            self._cursor.close()
            close_connection(self._connection, self._dialect)

    def _say(self, text: str) -> None:
        try:
            self._cursor.execute(text)
        except self._errors as error:
            raise TransactionUndone(f"{text}: {error}") from error

    def _forget_engine_transaction(self) -> None:
        """SQLAlchemy takes it that it has begun a transaction where `execute` was used."""
        if self._connection.in_transaction():
            self._connection.rollback()

    def _run(self, statement: Prepared, values: Mapping[str, object]) -> _Spelled:
        spelled = self._spelled.get(statement) or self._spell(statement)
        bound = spelled.bound(values)
        try:
            self._cursor.execute(spelled.text, bound)
        except self._errors as error:
            raise named_error(error, spelled.text) from error
        return spelled

    def _spell(self, statement: Prepared) -> _Spelled:
        spelled = self._spelled[statement] = statement.spelled(self._connection.dialect)
        return spelled

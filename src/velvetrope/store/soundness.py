"""What is wrong with a store, as far as it can be seen without the services: read whole, and changed in nothing.

    with whole_store(url, writes=False) as store:
        for fault in find_faults(store, knows_seal=master_keys.knows):
            print(fault)

Asked are the database itself (SQLite's integrity check), every foreign key, whether every record can be read by this
version, whether what is sealed names a master key that is there, and whether the code of all functions is kept, under
its own digest. A fault is one sentence that names a table and no value.

That a seal is unbroken only its service can tell, which knows what it was sealed for: `server` opens one, by which
stores and master keys know each other.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import msgspec
from sqlalchemy import Column, LargeBinary, Table, and_, exists, func, select
from sqlalchemy.sql.schema import ForeignKeyConstraint
from sqlalchemy.types import TypeDecorator

from velvetrope.store.copies import WholeStore, check_schema
from velvetrope.store.dialects.whole_tables import kept_type
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.function_code import missing_code

__all__ = ["find_faults"]

KnowsSeal = Callable[[bytes], bool]

_OTHERS_SEALS = frozenset({"hosted_ui_pending_sign_ins"})
"""Sealed with a key that only a browser has."""
_CODE = "functions_code"


def find_faults(store: WholeStore, *, knows_seal: KnowsSeal) -> Iterator[str]:
    """Sentences, as they are found. `knows_seal` says whether sealed data names a master key that is there.

    Raises:
        CopyRefused, SchemaTooNew: see `copies.check_schema`.
        DatabaseUnreachable: the database broke off.
    """
    check_schema(store)
    damages = store.faults()
    if damages:
        # Nothing that is read of it means anything.
        yield from (f"The database is damaged: {damage}." for damage in damages)
        return
    for table in METADATA.sorted_tables:
        for constraint in sorted(table.foreign_key_constraints, key=lambda one: one.referred_table.name):
            yield from _without_parent(store, table, constraint)
        yield from _in_rows(store, table, knows_seal)
    for arn in missing_code(store.connection):
        yield f"The code of {arn} is not in the store: upload it again."


def _without_parent(store: WholeStore, table: Table, constraint: ForeignKeyConstraint) -> Iterator[str]:
    parent = constraint.referred_table.alias()
    pairs = [(element.parent, parent.c[element.column.name]) for element in constraint.elements]
    found = select(func.count()).select_from(table)
    there = exists().select_from(parent).where(and_(*(child == its for child, its in pairs)))
    orphans = store.connection.execute(found.where(*(child.is_not(None) for child, _ in pairs), ~there)).scalar_one()
    if orphans:
        yield f"{table.name}: {_rows(orphans)} without the row of {constraint.referred_table.name} that they belong to."


def _in_rows(store: WholeStore, table: Table, knows_seal: KnowsSeal) -> Iterator[str]:
    columns = list(enumerate(table.columns))
    read = [(place, column.type) for place, column in columns if isinstance(column.type, TypeDecorator)]
    sealed = [] if table.name in _OTHERS_SEALS else [place for place, column in columns if _is_sealed(column)]
    found: Counter[str] = Counter()
    dialect = store.connection.dialect
    for row in store.read(table):
        try:
            records = [kind.process_result_value(row[place], dialect) for place, kind in read]
        except (msgspec.MsgspecError, OverflowError):
            found["that cannot be read"] += 1
            continue
        seals = [seal for place in sealed if isinstance(seal := row[place], bytes)]
        seals += [seal for record in records for seal in _seals_in(record)]
        if not all(map(knows_seal, seals)):
            found["sealed by a master key that is not there"] += 1
        if table.name == _CODE and not _is_under_its_digest(dict(zip(table.columns.keys(), row, strict=True))):
            found["of code that is not under its own digest"] += 1
    for what, count in found.items():
        yield f"{table.name}: {_rows(count)} {what}."


def _is_sealed(column: Column[object]) -> bool:
    return isinstance(kept_type(column), LargeBinary) and _names_seal(column.name)


def _names_seal(name: str) -> bool:
    return name == "sealed" or name.endswith("_sealed")


def _seals_in(value: object) -> Iterator[bytes]:
    """Whatever fields of a record are called sealed; empty ones are kept in columns of their own."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            member = getattr(value, name)
            if not _names_seal(name):
                yield from _seals_in(member)
            elif isinstance(member, bytes) and member:
                yield member
            elif isinstance(member, Mapping):
                yield from member.values()
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _seals_in(member)
    elif isinstance(value, list | tuple | set | frozenset):
        for member in value:
            yield from _seals_in(member)


def _is_under_its_digest(row: Mapping[str, object]) -> bool:
    data = row["zip"]
    return isinstance(data, bytes) and hashlib.sha256(data).hexdigest() == row["sha256"]


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"

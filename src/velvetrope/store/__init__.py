"""What we keep: frozen records, and one class per aggregate whose methods are whole transactions with a name.

`database` opens the store, `schema` knows its version, `columns` how values are kept; `tables/<aggregate>.py` holds an
aggregate's records, its tables and its store class together, since each explains the other. Only `server` picks the
database; services are handed the store classes they need.
"""

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import ChangeFeed, Connection, Database, Transaction
from velvetrope.store.dialects import DatabaseUnreachable, DatabaseUnsupported
from velvetrope.store.schema import METADATA, SchemaTooNew

__all__ = [
    "METADATA",
    "ChangeFeed",
    "Connection",
    "Database",
    "DatabaseUnreachable",
    "DatabaseUnsupported",
    "Record",
    "SchemaTooNew",
    "Transaction",
    "UtcTime",
]

"""What lies below SQLAlchemy: the driver's own connection, and its errors by SQLAlchemy's names."""

from sqlalchemy import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError

from velvetrope.store.dialects import Dialect

__all__ = ["close_connection", "driver_of", "named_error"]


def close_connection(connection: Connection, dialect: Dialect) -> None:
    """Give a connection back to its pool, which takes no lost one."""
    if not connection.invalidated and dialect.is_lost(driver_of(connection)):
        connection.invalidate()
    connection.close()


def driver_of(connection: Connection) -> DBAPIConnection:
    """The driver's connection.

    Raises:
        ValueError: there is none any more.
    """
    driver = connection.connection.dbapi_connection
    if driver is None:
        raise ValueError("the connection is closed")
    return driver


def named_error(error: Exception, text: str) -> BaseException:
    """What SQLAlchemy calls an error that the driver raised while it ran `text`; without values, some of which are
    secret."""
    return DBAPIError.instance(text, None, error, type(error), hide_parameters=True)

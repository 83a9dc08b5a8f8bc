"""Names of one's own that calls come in by: a user pool's pages, or API Gateway's stages. A name has one owner.

Whoever makes such a name looks here in the transaction that makes it, so that the pages where people type passwords are
not behind a name that somebody else's API answers to. Writers wait for each other, those of other nodes too, so nobody
comes between.

Source: AWS keeps one list too: names of both are alternate names of CloudFront distributions, which are unique.
"""

from sqlalchemy import func, select

from velvetrope.store.database import Connection
from velvetrope.store.schema import METADATA

__all__ = ["is_host_name_taken"]

_KEPT_IN = (("userpools_pools", "domain"), ("apigateway_domain_names", "domain_name"))
"""Tables and columns. By name: each of the two looks into the other."""


async def is_host_name_taken(connection: Connection, name: str) -> bool:
    """Whether anybody has the name, in lower case."""
    for table_name, column_name in _KEPT_IN:
        column = METADATA.tables[table_name].c[column_name]
        if (await connection.execute(select(func.count()).where(column == name))).scalar_one():
            return True
    return False

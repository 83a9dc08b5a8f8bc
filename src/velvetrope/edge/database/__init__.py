"""The database door: PostgreSQL reached with IAM database authentication.

    door = DatabaseDoor(backend, tokens, limits..., tls=context)
    await door.start(sockets)
    ...
    await door.stop()

A client connects as it would to Amazon RDS: TLS, and as its password a token that it signed with its own AWS
credentials. `door` speaks the first messages of PostgreSQL's protocol (`messages`), has the token verified and the
connection judged (`tokens`), opens a connection to the real PostgreSQL with the door's own password for that one user
(`backend`, `scram`), and from then on passes bytes both ways without looking at them.

Sources: PostgreSQL 16 documentation, chapter 55, "Frontend/Backend Protocol"; Amazon RDS User Guide, "IAM database
authentication for MariaDB, MySQL, and PostgreSQL".
"""

from velvetrope.edge.database.backend import Backend
from velvetrope.edge.database.door import DatabaseDoor
from velvetrope.edge.database.passwords import DatabasePasswords, PasswordFileRefused
from velvetrope.edge.database.tokens import TokenVerifier

__all__ = ["Backend", "DatabaseDoor", "DatabasePasswords", "PasswordFileRefused", "TokenVerifier"]

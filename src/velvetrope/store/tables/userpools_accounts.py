"""The life of a user: made, changed and deleted, each with all that belongs to the change in one transaction."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Column, Integer, LargeBinary, String, Table, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables import userpools_factors, userpools_identities, userpools_sign_in
from velvetrope.store.tables.userpools_aliases import aliases, is_an_alias, take_aliases
from velvetrope.store.tables.userpools_codes import StoredCode, codes, save_code
from velvetrope.store.tables.userpools_groups import memberships
from velvetrope.store.tables.userpools_messages import OutgoingMessage, save_message
from velvetrope.store.tables.userpools_pools import USERS_TOPIC
from velvetrope.store.tables.userpools_users import StoredUser, User, UserConflict, columns_of, users

__all__ = ["OF_A_USER", "AccountStore", "insert_user"]

former_passwords = Table(
    "userpools_former_passwords",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("password_sealed", LargeBinary, nullable=False),
)
OF_A_USER = (
    aliases,
    memberships,
    codes,
    former_passwords,
    *userpools_factors.OF_A_USER,
    *userpools_identities.OF_A_USER,
    users,
)
"""Tables with rows of one user, by `user_pool_id` and `username_key`; the user's own row goes last."""


class AccountStore:
    """Changes to users, and the passwords that they had before. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_user(
        self,
        user: User,
        username_key: str,
        *,
        password_sealed: bytes | None,
        code: StoredCode | None = None,
        messages_to_send: Collection[OutgoingMessage] = (),
        force_aliases: bool = False,
        member_of: Collection[str] = (),
    ) -> UserConflict | None:
        """Keep a new user with its aliases, identities, code and messages, all or nothing; or say what is taken.

        Of two callers that want one name, one gets None and the other a conflict. `force_aliases` takes a proven
        address from whoever has it (`take_aliases`). `member_of` are groups of the pool to begin in.
        """
        try:
            async with self._database.transaction() as tx:
                conflict = await insert_user(
                    tx.connection, user, username_key, password_sealed=password_sealed, force_aliases=force_aliases
                )
                if conflict is not None:
                    raise _Undo(conflict)
                await _take_identities(tx.connection, user, username_key)
                for group_name in member_of:
                    await tx.connection.execute(
                        insert(memberships).values(
                            user_pool_id=user.user_pool_id, group_name=group_name, username_key=username_key
                        )
                    )
                if code is not None:
                    await save_code(tx.connection, user.user_pool_id, username_key, code, now=user.created_at)
                for message in messages_to_send:
                    await save_message(tx, message)
                tx.changed(USERS_TOPIC)
        except _Undo as undo:
            return undo.answer
        except IntegrityError:
            return UserConflict("username")  # writers take turns; the index has the last word all the same
        return None

    async def reseal_password(self, user_pool_id: str, username_key: str, expected: bytes, sealed: bytes) -> bool:
        """Keep the same password in another sealed form, if it is there as `expected`; False changes nothing."""
        mine = and_(users.c.user_pool_id == user_pool_id, users.c.username_key == username_key)
        async with self._database.transaction() as tx:
            changed = await tx.connection.execute(
                update(users)
                .where(mine, users.c.password_sealed == expected)
                .values(password_sealed=sealed)
                .returning(users.c.username_key)
            )
            return changed.one_or_none() is not None

    async def change_user(
        self,
        found: StoredUser,
        change: Callable[[User], User],
        *,
        password_sealed: bytes | None = None,
        expected_password: bytes | None = None,
        expected_no_password: bool = False,
        spend_code: StoredCode | None = None,
        code: StoredCode | None = None,
        codes_to_keep: Collection[StoredCode] = (),
        messages_to_send: Collection[OutgoingMessage] = (),
        former_passwords_kept: int = 0,
        force_aliases: bool = False,
        end_sessions_at: datetime | None = None,
        remove_password: bool = False,
    ) -> User | UserConflict | None:
        """Replace the user who was found by `change(user)`, with what belongs to the change in the same transaction.

        `password_sealed` becomes the new password; with `expected_password` only if that is still the present one, with
        `expected_no_password` only if there is none. Of the ones before it `former_passwords_kept` are remembered.
        `remove_password` leaves the user without one. `spend_code` must still be there and goes. `end_sessions_at`
        revokes all of the user's tokens. None: the user is gone, also where somebody else has the name by now, or the
        password or the code is no longer what was expected; nothing has changed then.
        """
        user_pool_id, username_key = found.user.user_pool_id, found.username_key
        mine = and_(users.c.user_pool_id == user_pool_id, users.c.username_key == username_key)
        try:
            async with self._database.transaction() as tx:
                row = (
                    await tx.connection.execute(
                        select(users.c.record, users.c.password_sealed).where(mine).with_for_update()
                    )
                ).one_or_none()
                if row is None or row.record.sub != found.user.sub:
                    return None
                if expected_password is not None and row.password_sealed != expected_password:
                    return None
                if expected_no_password and row.password_sealed is not None:
                    return None
                user = change(row.record)
                if password_sealed is not None or remove_password:
                    user = msgspec.structs.replace(user, password_changed_at=user.modified_at)
                conflict = await take_aliases(tx.connection, user, username_key, force=force_aliases)
                if conflict is not None:
                    raise _Undo(conflict)
                if user.identities != row.record.identities:
                    await _take_identities(tx.connection, user, username_key)
                if spend_code is not None:
                    spent = await tx.connection.execute(
                        delete(codes)
                        .where(
                            codes.c.user_pool_id == user_pool_id,
                            codes.c.username_key == username_key,
                            codes.c.purpose == spend_code.purpose,
                            codes.c.mac == spend_code.mac,
                        )
                        .returning(codes.c.purpose)
                    )
                    if spent.one_or_none() is None:
                        raise _Undo(None)
                values = columns_of(user)
                if password_sealed is not None or remove_password:
                    values["password_sealed"] = password_sealed
                await tx.connection.execute(update(users).where(mine).values(**values))
                if password_sealed is not None:
                    await _keep_former_password(
                        tx.connection, user_pool_id, username_key, row.password_sealed, kept=former_passwords_kept
                    )
                for one in (*codes_to_keep, *(() if code is None else (code,))):
                    await save_code(tx.connection, user_pool_id, username_key, one, now=user.modified_at)
                for message in messages_to_send:
                    await save_message(tx, message)
                if end_sessions_at is not None:
                    await userpools_sign_in.revoke_of_user(tx.connection, user_pool_id, user.sub, end_sessions_at)
                tx.changed(USERS_TOPIC)
        except _Undo as undo:
            return undo.answer
        except IntegrityError:
            return UserConflict("email")  # as for a new user
        return user

    async def load_former_passwords(self, user_pool_id: str, username_key: str, *, limit: int) -> Sequence[bytes]:
        """The newest passwords that the user had before the present one, sealed, newest first."""
        statement = (
            select(former_passwords.c.password_sealed)
            .where(former_passwords.c.user_pool_id == user_pool_id, former_passwords.c.username_key == username_key)
            .order_by(former_passwords.c.number.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(statement)).scalars())

    async def delete_user(self, found: StoredUser) -> bool:
        """Remove the user who was found and all that is theirs, tokens included; False if they are gone.

        Who has the name by now stays.
        """
        user_pool_id, username_key, sub = found.user.user_pool_id, found.username_key, found.user.sub
        this_one = and_(users.c.user_pool_id == user_pool_id, users.c.username_key == username_key, users.c.sub == sub)
        async with self._database.transaction() as tx:
            if (await tx.connection.execute(select(users.c.sub).where(this_one))).one_or_none() is None:
                return False
            for table in OF_A_USER:
                await tx.connection.execute(
                    delete(table).where(table.c.user_pool_id == user_pool_id, table.c.username_key == username_key)
                )
            await userpools_sign_in.delete_of_user(tx.connection, user_pool_id, sub)
            tx.changed(USERS_TOPIC)
        return True


class _Undo(Exception):
    """Rolls a transaction back and carries what its method answers."""

    def __init__(self, answer: UserConflict | None) -> None:
        super().__init__()
        self.answer = answer


async def insert_user(
    connection: Connection, user: User, username_key: str, *, password_sealed: bytes | None, force_aliases: bool
) -> UserConflict | None:
    """Add the user and its aliases within a transaction, or say which name is taken and change nothing.

    Writers take turns, those of other nodes too: who finds a name free here has it.
    """
    this = and_(users.c.user_pool_id == user.user_pool_id, users.c.username_key == username_key)
    if (await connection.execute(select(users.c.sub).where(this))).one_or_none() is not None:
        return UserConflict("username")
    # A provider's user does not sign in with a name, and is not kept out by who calls themselves so.
    if not user.is_federated and await is_an_alias(connection, user.user_pool_id, username_key, except_of=username_key):
        return UserConflict("username")
    conflict = await take_aliases(connection, user, username_key, force=force_aliases)
    if conflict is None:
        await connection.execute(
            insert(users).values(
                user_pool_id=user.user_pool_id,
                username_key=username_key,
                sub=user.sub,
                password_sealed=password_sealed,
                **columns_of(user),
            )
        )
    return conflict


async def _take_identities(connection: Connection, user: User, username_key: str) -> None:
    """Make the rows of identities those of `user.identities`, or undo what has been done."""
    if not await userpools_identities.take_identities(connection, user.user_pool_id, username_key, user.identities):
        raise _Undo(UserConflict("identity"))


async def _keep_former_password(
    connection: Connection, user_pool_id: str, username_key: str, former: bytes | None, *, kept: int
) -> None:
    mine = and_(former_passwords.c.user_pool_id == user_pool_id, former_passwords.c.username_key == username_key)
    newest = (await connection.execute(select(func.max(former_passwords.c.number)).where(mine))).scalar_one() or 0
    if former is not None and kept:
        newest += 1
        await connection.execute(
            insert(former_passwords).values(
                user_pool_id=user_pool_id, username_key=username_key, number=newest, password_sealed=former
            )
        )
    await connection.execute(delete(former_passwords).where(mine, former_passwords.c.number <= newest - kept))

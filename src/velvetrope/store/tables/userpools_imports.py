"""Running import jobs: which one is to be done, by whom, and how far it is.

A batch of users is saved in one transaction with the job's progress, by whoever holds the job. So a worker that dies
loses nothing and doubles nothing: what was committed is counted and read past, the rest is read again by the next one.
Two that believe to hold one job cannot both save: the second finds another holder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.database import Connection, Database
from velvetrope.store.tables.userpools_accounts import insert_user
from velvetrope.store.tables.userpools_import_jobs import IMPORTS_TOPIC, ImportStatus, UserImportJob, jobs, parts
from velvetrope.store.tables.userpools_pools import pools
from velvetrope.store.tables.userpools_users import User, UserConflict

__all__ = ["PART_BYTES", "ImportStore", "ImportedUser", "SavedBatch"]

PART_BYTES = 65_536
"""All parts of a file but the last are as long."""
LEASE = timedelta(seconds=15)
_AT_WORK = ("Pending", "InProgress", "Stopping")
_TOPIC = "userpools"


@dataclass(frozen=True, slots=True)
class ImportedUser:
    """Somebody to import, by their `username_key`."""

    user: User
    username_key: str


@dataclass(frozen=True, slots=True)
class SavedBatch:
    """The job after a batch, and what became of each user of it: None for those who are in the pool now."""

    job: UserImportJob
    conflicts: Sequence[UserConflict | None]


class ImportStore:
    """See the module. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Jobs

    async def create_job(self, job: UserImportJob, *, limit: int) -> Literal["created", "no_pool", "too_many"]:
        """Keep a new job, if its pool is there and has had fewer than `limit`."""
        async with self._database.transaction() as tx:
            there = await tx.connection.execute(select(pools.c.id).where(pools.c.id == job.user_pool_id))
            if there.one_or_none() is None:
                return "no_pool"
            counted = select(func.count()).where(jobs.c.user_pool_id == job.user_pool_id)
            if (await tx.connection.execute(counted)).scalar_one() >= limit:
                return "too_many"
            await tx.connection.execute(
                insert(jobs).values(
                    user_pool_id=job.user_pool_id,
                    job_id=job.job_id,
                    created_at=job.created_at,
                    status=job.status,
                    record=job,
                )
            )
        return "created"

    async def load_job(self, user_pool_id: str, job_id: str) -> UserImportJob | None:
        async with self._database.read() as connection:
            found: UserImportJob | None = (
                await connection.execute(select(jobs.c.record).where(_this(user_pool_id, job_id)))
            ).scalar_one_or_none()
            return found

    async def load_jobs(self, user_pool_id: str, *, after: str, limit: int) -> Sequence[UserImportJob]:
        """Up to `limit` jobs of the pool whose id is greater than `after`, in order of id."""
        statement = (
            select(jobs.c.record)
            .where(jobs.c.user_pool_id == user_pool_id, jobs.c.job_id > after)
            .order_by(jobs.c.job_id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(statement)).scalars())

    async def start_job(
        self, user_pool_id: str, job_id: str, change: Callable[[UserImportJob], UserImportJob]
    ) -> UserImportJob | Literal["another_at_work"] | None:
        """Replace the job by `change` of it, to be done from now on; None if there is none.

        Of two jobs of one account that are started at once, one gets `another_at_work`.
        """
        try:
            async with self._database.transaction() as tx:
                job = await _changed(tx.connection, user_pool_id, job_id, change)
                if job is None:
                    return None
                await tx.connection.execute(
                    update(jobs).where(_this(user_pool_id, job_id)).values(active=job.account_id, lease_until=None)
                )
                tx.changed(IMPORTS_TOPIC)
        except IntegrityError:
            return "another_at_work"
        return job

    async def change_job(
        self, user_pool_id: str, job_id: str, change: Callable[[UserImportJob], UserImportJob]
    ) -> UserImportJob | None:
        """Replace the job by `change` of it; None if there is none. It stays with whoever holds it."""
        async with self._database.transaction() as tx:
            job = await _changed(tx.connection, user_pool_id, job_id, change)
            tx.changed(IMPORTS_TOPIC)
        return job

    async def expire_jobs(self, *, created_until: datetime, now: datetime, message: str) -> None:
        """Jobs that were created up to then and never started are past; their files go."""
        old = and_(jobs.c.status == "Created", jobs.c.created_at <= created_until)
        async with self._database.transaction() as tx:
            for row in (await tx.connection.execute(select(jobs.c.record).where(old).with_for_update())).all():
                await _end(tx.connection, row.record, "Expired", message, now)

    # Files

    async def save_part(self, job: UserImportJob, upload_id: str, number: int, data: bytes) -> None:
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                insert(parts).values(
                    user_pool_id=job.user_pool_id, job_id=job.job_id, upload_id=upload_id, number=number, data=data
                )
            )

    async def finish_upload(self, job: UserImportJob, upload_id: str) -> bool:
        """Make these parts the job's file; False if it has one, or is not waiting for one any more."""
        async with self._database.transaction() as tx:
            row = (
                await tx.connection.execute(
                    select(jobs.c.record).where(_this(job.user_pool_id, job.job_id)).with_for_update()
                )
            ).one_or_none()
            if row is None or row.record.status != "Created" or row.record.upload_id is not None:
                return False
            changed = msgspec.structs.replace(row.record, upload_id=upload_id)
            await tx.connection.execute(update(jobs).where(_this(job.user_pool_id, job.job_id)).values(record=changed))
        return True

    async def discard_upload(self, job: UserImportJob, upload_id: str) -> None:
        """The parts are nobody's."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(delete(parts).where(_parts_of(job), parts.c.upload_id == upload_id))

    async def load_part(self, job: UserImportJob, number: int) -> bytes | None:
        """A part of the job's file; None past its end."""
        statement = select(parts.c.data).where(
            _parts_of(job), parts.c.upload_id == job.upload_id, parts.c.number == number
        )
        async with self._database.read() as connection:
            data: bytes | None = (await connection.execute(statement)).scalar_one_or_none()
            return data

    # Work

    async def take_job(self, holder: str, *, now: datetime) -> UserImportJob | None:
        """A job that is to be done and that nobody holds; it is the caller's until `LEASE` has passed."""
        free = and_(jobs.c.status.in_(_AT_WORK), or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= now))
        first = select(jobs.c.job_id).where(free).order_by(jobs.c.created_at, jobs.c.job_id).limit(1).scalar_subquery()
        async with self._database.transaction() as tx:
            taken = await tx.connection.execute(
                update(jobs)
                .where(jobs.c.job_id == first, free)
                .values(holder=holder, lease_until=now + LEASE)
                .returning(jobs.c.record)
            )
            row = taken.one_or_none()
            return None if row is None else row.record

    async def load_next_lease_end(self) -> datetime | None:
        """When the first job that somebody holds is free again, unless they go on."""
        statement = select(func.min(jobs.c.lease_until)).where(jobs.c.status.in_(_AT_WORK))
        async with self._database.read() as connection:
            ends: datetime | None = await connection.scalar(statement)
            return ends

    async def save_batch(
        self,
        job: UserImportJob,
        holder: str,
        people: Sequence[ImportedUser],
        progress: Callable[[UserImportJob, Sequence[UserConflict | None]], UserImportJob],
        *,
        now: datetime,
    ) -> SavedBatch | None:
        """Import `people`, and replace the job by `progress(job, conflicts)`, together.

        None: the job is no longer the caller's, or is to be stopped; nothing has changed then.
        """
        mine = and_(_this(job.user_pool_id, job.job_id), jobs.c.holder == holder)
        async with self._database.transaction() as tx:
            row = (await tx.connection.execute(select(jobs.c.record).where(mine).with_for_update())).one_or_none()
            if row is None or row.record.status == "Stopping":
                return None
            conflicts = [
                await insert_user(tx.connection, one.user, one.username_key, password_sealed=None, force_aliases=False)
                for one in people
            ]
            changed = progress(row.record, conflicts)
            await tx.connection.execute(
                update(jobs).where(mine).values(record=changed, status=changed.status, lease_until=now + LEASE)
            )
            tx.changed(_TOPIC)
        return SavedBatch(changed, conflicts)

    async def finish_job(
        self, job: UserImportJob, holder: str, status: ImportStatus, message: str, *, now: datetime
    ) -> bool:
        """The job has ended so; its file goes. False if it is no longer the caller's."""
        mine = and_(_this(job.user_pool_id, job.job_id), jobs.c.holder == holder)
        async with self._database.transaction() as tx:
            row = (await tx.connection.execute(select(jobs.c.record).where(mine).with_for_update())).one_or_none()
            if row is None:
                return False
            await _end(tx.connection, row.record, status, message, now)
        return True

    async def release_job(self, job: UserImportJob, holder: str) -> None:
        """Give the job back, for another to go on with."""
        mine = and_(_this(job.user_pool_id, job.job_id), jobs.c.holder == holder)
        async with self._database.transaction() as tx:
            await tx.connection.execute(update(jobs).where(mine).values(holder=None, lease_until=None))


def _this(user_pool_id: str, job_id: str) -> ColumnElement[bool]:
    return and_(jobs.c.user_pool_id == user_pool_id, jobs.c.job_id == job_id)


def _parts_of(job: UserImportJob) -> ColumnElement[bool]:
    return and_(parts.c.user_pool_id == job.user_pool_id, parts.c.job_id == job.job_id)


async def _changed(
    connection: Connection, user_pool_id: str, job_id: str, change: Callable[[UserImportJob], UserImportJob]
) -> UserImportJob | None:
    this = _this(user_pool_id, job_id)
    row = (await connection.execute(select(jobs.c.record).where(this).with_for_update())).one_or_none()
    if row is None:
        return None
    job = change(row.record)
    await connection.execute(update(jobs).where(this).values(record=job, status=job.status))
    return job


async def _end(connection: Connection, job: UserImportJob, status: ImportStatus, message: str, now: datetime) -> None:
    ended = msgspec.structs.replace(job, status=status, completed_at=now, completion_message=message, upload_id=None)
    await connection.execute(
        update(jobs)
        .where(_this(job.user_pool_id, job.job_id))
        .values(record=ended, status=status, active=None, holder=None, lease_until=None)
    )
    await connection.execute(delete(parts).where(_parts_of(job)))

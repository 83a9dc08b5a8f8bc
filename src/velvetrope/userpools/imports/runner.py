"""Running import jobs: lines of the file become users, a hundred at a time.

    runner = ImportRunner(...)
    runner.start()
    ...
    await runner.stop()

Whichever node takes a job first works on it; a batch and the job's progress are one transaction
(`store.tables.userpools_imports`), so that a job goes on where it was when its node has died. A user arrives without a
password, RESET_REQUIRED, and no trigger is asked (UNVERIFIED: AWS's page names none).

What became of each line is written to the role's log once it is so, in AWS's sentences, by line numbers and without a
word about anybody. Lines of the log may therefore be missing after a crash; users and counts are not. A role that may
not write the log fails the job, as on AWS.

A name that somebody has is skipped; an address that signs somebody else in fails, and so does whatever the pool's
schema refuses. A job in which nobody was imported has failed (UNVERIFIED: AWS's threshold; the message is AWS's).
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from velvetrope.clock import Clock, Entropy
from velvetrope.errors import ReasonError
from velvetrope.identifiers import new_uuid
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.userpools import User, UserConflict, UserPool
from velvetrope.store.tables.userpools_import_jobs import IMPORTS_TOPIC, ImportStatus, UserImportJob
from velvetrope.store.tables.userpools_imports import PART_BYTES, ImportedUser, ImportStore
from velvetrope.userpools.directory import PoolDirectory, sign_in_aliases, username_form
from velvetrope.userpools.due_work import DueWork
from velvetrope.userpools.errors import ResourceNotFoundException, UserPoolError
from velvetrope.userpools.imports.files import (
    MAX_LINE_CHARACTERS,
    RowRefused,
    check_header,
    parse_person,
    parse_row,
)
from velvetrope.userpools.imports.operations import EXPIRED_MESSAGE, STARTED_WITHIN, ImportLogs, LogsRefused
from velvetrope.userpools.users.attributes import new_attributes
from velvetrope.userpools.users.naming import name_new_user

__all__ = ["ImportRunner"]

_BATCH_LINES: Final = 100
_MAX_LINE_BYTES: Final = 4 * MAX_LINE_CHARACTERS
_MAX_USERS: Final = 500_000
_ATTEMPTS: Final = 5
_DONE = "Import Job Completed Successfully."
_NOBODY = "Too many users have failed or been skipped during the import."
_NOT_IN_GROUP_NAMES = re.compile(r"[^.\-_/#A-Za-z0-9]")

_log = logging.getLogger(__name__)


class _Ended(ReasonError):
    """The job cannot go on; the message is its completion message."""


class _Lost(Exception):
    """The job is no longer ours, or is to be stopped."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the file: where the next one begins, and its text; None if it is no text or too long."""

    next_offset: int
    text: str | None


class ImportRunner:
    """See the module."""

    def __init__(
        self,
        *,
        store: ImportStore,
        directory: PoolDirectory,
        logs: ImportLogs | None,
        clock: Clock,
        entropy: Entropy,
        changes: ChangeFeed,
    ) -> None:
        self._store = store
        self._directory = directory
        self._logs = logs
        self._clock = clock
        self._entropy = entropy
        self._work = DueWork(
            self._run_and_wait,
            changes,
            IMPORTS_TOPIC,
            longest_wait=timedelta(minutes=1),
            failed="user import jobs could not be worked on",
        )

    def start(self) -> None:
        """Begin to work. Needs the running event loop."""
        self._work.start()

    async def stop(self) -> None:
        """Stop working, and give back what is in hand."""
        await self._work.stop()

    async def _run_and_wait(self) -> timedelta | None:
        """Do what is to be done; how long it is until a job of a node that has died is free."""
        await self.run_due()
        free = await self._store.load_next_lease_end()
        return None if free is None else free - self._clock.now()

    async def run_due(self) -> int:
        """Do every job that is to be done, and say how many that were."""
        now = self._clock.now()
        await self._store.expire_jobs(created_until=now - STARTED_WITHIN, now=now, message=EXPIRED_MESSAGE)
        done = 0
        while True:
            holder = new_uuid(self._entropy)
            job = await self._store.take_job(holder, now=self._clock.now())
            if job is None:
                return done
            try:
                await self._do(job, holder)
            except BaseException:
                await asyncio.shield(self._store.release_job(job, holder))
                raise
            done += 1

    async def _do(self, job: UserImportJob, holder: str) -> None:
        status: ImportStatus
        try:
            if job.status == "Stopping":
                raise _Lost
            job = await self._import(job, holder)
        except _Lost:
            # Ours still, if it was stopped; else the store knows another holder.
            status, message = "Stopped", "The user import job has been stopped."
        except (_Ended, RowRefused) as reason:
            status, message = "Failed", reason.message
        except (LogsRefused, ResourceNotFoundException) as reason:
            _log.warning("the user import job %s has failed: %s", job.job_id, reason)
            status, message = "Failed", "The role cannot be assumed, may not write the log, or the pool is gone."
        except (SQLAlchemyError, OSError):
            raise  # a store, or a disk, that is away: the job is done when it is back
        except Exception:  # noqa: BLE001  a fault of ours: neither this job nor those behind it may wait for ever
            _log.exception("the user import job %s has failed", job.job_id)
            status, message = "Failed", "An internal error occurred."
        else:
            status, message = ("Succeeded", _DONE) if job.imported_users or job.lines == 1 else ("Failed", _NOBODY)
        await self._store.finish_job(job, holder, status, message[:128], now=self._clock.now())

    async def _import(self, job: UserImportJob, holder: str) -> UserImportJob:
        pool = await self._directory.pool(job.user_pool_id)
        log = _JobLog(self._logs, pool, job)
        await log.open(now=self._clock.now())
        header = await self._header(pool, job)
        batch: list[_Line] = []
        async for line in self._lines(job):
            batch.append(line)
            if len(batch) == _BATCH_LINES:
                job = await self._save(pool, job, holder, header, batch, log)
                batch = []
        return await self._save(pool, job, holder, header, batch, log)

    async def _header(self, pool: UserPool, job: UserImportJob) -> list[str]:
        first = await anext(self._lines(msgspec.structs.replace(job, offset=0)), None)
        if first is None or first.text is None:
            raise RowRefused("The file has no header.")  # UNVERIFIED
        if first.text.startswith("\ufeff"):
            # Spreadsheets write one. Without a word of its own the first column would be called unknown.
            raise RowRefused("The file begins with a byte order mark; save it as UTF-8 without one.")  # UNVERIFIED
        header = parse_row(first.text)
        check_header(pool, header)
        return header

    async def _save(
        self,
        pool: UserPool,
        job: UserImportJob,
        holder: str,
        header: Sequence[str],
        batch: Sequence[_Line],
        log: "_JobLog",
    ) -> UserImportJob:
        """The job after the batch.

        Raises:
            _Lost: see there.
        """
        now = self._clock.now()
        people: list[ImportedUser] = []
        said: dict[int, str | int] = {}  # by line: why it failed, or whose it is
        for number, line in enumerate(batch, job.lines + 1):
            if number == 1 or line.text == "":
                continue
            try:
                people.append(self._person(pool, header, line, now))
                said[number] = len(people) - 1
            except (RowRefused, UserPoolError) as refusal:
                said[number] = refusal.message
        results: dict[int, tuple[str, str]] = {}

        def progress(before: UserImportJob, conflicts: Sequence[UserConflict | None]) -> UserImportJob:
            for number, what in said.items():
                results[number] = ("FAILED", what) if isinstance(what, str) else _result(pool, conflicts[what])
            counted = [verdict for verdict, _ in results.values()]
            after = msgspec.structs.replace(
                before,
                status="InProgress",
                imported_users=before.imported_users + counted.count("SUCCEEDED"),
                skipped_users=before.skipped_users + counted.count("SKIPPED"),
                failed_users=before.failed_users + counted.count("FAILED"),
                lines=before.lines + len(batch),
                offset=batch[-1].next_offset if batch else before.offset,
            )
            if after.lines > _MAX_USERS + 1:
                raise _Ended(f"The file has more than {_MAX_USERS} users.")  # UNVERIFIED
            return after

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                saved = await self._store.save_batch(job, holder, people, progress, now=now)
                break
            except IntegrityError:
                # Somebody has signed up with one of the names since the transaction has looked; the next one sees them.
                if attempt == _ATTEMPTS:
                    raise
        if saved is None:
            raise _Lost
        await log.write(results, now=now)
        return saved.job

    def _person(self, pool: UserPool, header: Sequence[str], line: _Line, now: datetime) -> ImportedUser:
        if line.text is None or len(line.text) > MAX_LINE_CHARACTERS:
            # UNVERIFIED
            raise RowRefused(f"The line is longer than {MAX_LINE_CHARACTERS} characters, or is not UTF-8.")
        person = parse_person(pool, header, parse_row(line.text))
        name = name_new_user(pool, person.username, person.attributes, self._entropy)
        attributes = new_attributes(pool, person.attributes, client=None, brought_by_name=name.brings)
        user = User(
            user_pool_id=pool.id,
            username=name.username,
            sub=name.sub,
            attributes=attributes,
            enabled=True,
            status="RESET_REQUIRED",
            created_at=now,
            modified_at=now,
            sign_in_aliases=sign_in_aliases(pool, attributes),
            mfa_enabled=person.mfa_enabled,
        )
        return ImportedUser(user, username_form(pool, user.username))

    async def _lines(self, job: UserImportJob) -> AsyncIterator[_Line]:
        """The lines of the job's file from its offset on.

        Raises:
            _Ended: a line that does not end.
        """
        number, skip = divmod(job.offset, PART_BYTES)
        pending, begin = b"", job.offset
        while (part := await self._store.load_part(job, number)) is not None:
            pending += part[skip:]
            number, skip = number + 1, 0
            *whole, pending = pending.split(b"\n")
            for one in whole:
                begin += len(one) + 1
                yield _line(one, begin)
            if len(pending) > _MAX_LINE_BYTES:
                raise _Ended("The file could not be parsed.")  # UNVERIFIED
        if pending:
            yield _line(pending, begin + len(pending))


def _line(raw: bytes, next_offset: int) -> _Line:
    try:
        return _Line(next_offset, raw.removesuffix(b"\r").decode())
    except UnicodeDecodeError:
        return _Line(next_offset, None)


def _result(pool: UserPool, conflict: UserConflict | None) -> tuple[str, str]:
    if conflict is None:
        return "SUCCEEDED", "The import succeeded."
    if conflict.kind == "username" or conflict.kind in pool.username_attributes:
        return "SKIPPED", "The user already exists."
    return "FAILED", f"An account with the {conflict.kind} already exists."  # UNVERIFIED


class _JobLog:
    """`/aws/cognito/userpools/POOL_ID/POOL_NAME`, stream `JOB_ID/JOB_NAME`: AWS's names.

    Source: Developer Guide, "Viewing the user pool import results in the CloudWatch console". What stands for a
    character of the pool's name that no log group may have is UNVERIFIED.
    """

    def __init__(self, logs: ImportLogs | None, pool: UserPool, job: UserImportJob) -> None:
        self._logs = logs
        self._role_arn = job.cloud_watch_logs_role_arn
        self._group = f"/aws/cognito/userpools/{pool.id}/{_NOT_IN_GROUP_NAMES.sub('-', pool.name)}"
        self._stream = f"{job.job_id}/{job.job_name}"

    async def open(self, *, now: datetime) -> None:
        if self._logs is None:
            raise LogsRefused("this server writes no logs")
        await self._logs.open(self._role_arn, self._group, self._stream, now=now)

    async def write(self, results: dict[int, tuple[str, str]], *, now: datetime) -> None:
        if self._logs is not None and results:
            lines = [f"[{verdict}] Line Number {line} - {text}" for line, (verdict, text) in sorted(results.items())]
            await self._logs.write(self._role_arn, self._group, self._stream, lines, now=now)

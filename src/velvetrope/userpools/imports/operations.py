"""GetCSVHeader, CreateUserImportJob and its siblings.

A job is created, its file is put at its PreSignedUrl (`uploads`), then it is started and runs by itself
(`runner`). A job that is not started within a day is past: AWS says 24 to 48 hours. An account has one job at
work at a time, and a pool at most a thousand jobs (Cognito Developer Guide, "Quotas").

The role must be passable, which was judged before we are called, and assumable by Cognito.

Source: Cognito user pools API, CreateUserImportJob and its siblings; Developer Guide, "Importing users into user pools
from a CSV file". Texts are UNVERIFIED where marked.
"""

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from velvetrope.clock import Entropy
from velvetrope.errors import ReasonError
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools_import_jobs import UserImportJob
from velvetrope.store.tables.userpools_imports import ImportStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    InvalidParameterException,
    LimitExceededException,
    PreconditionNotMetException,
    ResourceNotFoundException,
)
from velvetrope.userpools.imports.files import csv_header
from velvetrope.userpools.imports.uploads import ImportUploads
from velvetrope.userpools.pages import load_page

__all__ = ["EXPIRED_MESSAGE", "STARTED_WITHIN", "ImportLogs", "ImportOperations", "LogsRefused"]

STARTED_WITHIN = timedelta(days=1)
EXPIRED_MESSAGE = "The user import job has expired."
_JOBS_PER_POOL = 1_000
_AT_WORK = ("Pending", "InProgress")


class LogsRefused(ReasonError):
    """The role cannot be assumed, or may not write the log."""


class ImportLogs(Protocol):
    """CloudWatch Logs, written under a role that Cognito assumes."""

    async def check_role(self, role_arn: str, *, now: datetime) -> None:
        """
        Raises:
            LogsRefused: the role cannot be assumed.
        """
        ...

    async def open(self, role_arn: str, group: str, stream: str, *, now: datetime) -> None:
        """See that group and stream are there.

        Raises:
            LogsRefused: they are not, and the role may not make them.
        """
        ...

    async def write(self, role_arn: str, group: str, stream: str, lines: list[str], *, now: datetime) -> None:
        """
        Raises:
            LogsRefused: the role may not.
        """
        ...


class ImportOperations:
    """See the module."""

    def __init__(
        self,
        store: ImportStore,
        directory: PoolDirectory,
        uploads: ImportUploads,
        logs: ImportLogs | None,
        entropy: Entropy,
    ) -> None:
        """Without `logs` no role can write one, so no job can be created."""
        self._store = store
        self._directory = directory
        self._uploads = uploads
        self._logs = logs
        self._entropy = entropy

    @operation
    async def get_csv_header(self, call: Call, *, user_pool_id: str) -> Answer:  # noqa: ARG002
        pool = await self._directory.pool(user_pool_id)
        return {"user_pool_id": pool.id, "csv_header": csv_header(pool)}

    @operation
    async def create_user_import_job(
        self, call: Call, *, job_name: str, user_pool_id: str, cloud_watch_logs_role_arn: str
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        await self._check_role(cloud_watch_logs_role_arn, now=call.now)
        job = UserImportJob(
            user_pool_id=pool.id,
            job_id=f"import-{new_alphanumeric(self._entropy, 10, mixed_case=True)}",
            job_name=job_name,
            account_id=call.account_id,
            cloud_watch_logs_role_arn=cloud_watch_logs_role_arn,
            created_at=call.now,
        )
        match await self._store.create_job(job, limit=_JOBS_PER_POOL):
            case "no_pool":
                raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
            case "too_many":
                raise LimitExceededException(f"A user pool has at most {_JOBS_PER_POOL} user import jobs.")
            case "created":
                return {"user_import_job": self._described(job, now=call.now)}

    @operation
    async def describe_user_import_job(self, call: Call, *, user_pool_id: str, job_id: str) -> Answer:
        await self._directory.pool(user_pool_id)
        job = await self._store.load_job(user_pool_id, job_id)
        if job is None:
            raise _missing(job_id)
        return {"user_import_job": self._described(job, now=call.now)}

    @operation
    async def list_user_import_jobs(
        self, call: Call, *, user_pool_id: str, max_results: int, pagination_token: str | None = None
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        jobs, going_on = await load_page(
            lambda after: self._store.load_jobs(user_pool_id, after=after, limit=max_results),
            lambda job: job.job_id,
            token=pagination_token,
            limit=max_results,
            member="PaginationToken",
        )
        return {
            "user_import_jobs": [self._described(job, now=call.now) for job in jobs],
            "pagination_token": going_on,
        }

    @operation
    async def start_user_import_job(self, call: Call, *, user_pool_id: str, job_id: str) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        if not pool.auto_verified_attributes:
            # UNVERIFIED: that such a job does not start is AWS's rule, the words are ours.
            raise PreconditionNotMetException("The user pool has no auto-verified attributes.")

        def start(job: UserImportJob) -> UserImportJob:
            if job.status != "Created" or _is_past(job, now=call.now):
                raise PreconditionNotMetException(f"The user import job is {_status(job, now=call.now)}.")  # UNVERIFIED
            if job.upload_id is None:
                raise PreconditionNotMetException("The user import job has no file yet.")  # UNVERIFIED
            return msgspec.structs.replace(job, status="Pending", started_at=call.now)

        job = await self._store.start_job(user_pool_id, job_id, start)
        if job is None:
            raise _missing(job_id)
        if job == "another_at_work":
            raise PreconditionNotMetException("Another user import job of the account is in progress.")  # UNVERIFIED
        return {"user_import_job": self._described(job, now=call.now)}

    @operation
    async def stop_user_import_job(self, call: Call, *, user_pool_id: str, job_id: str) -> Answer:
        """Whoever is in the pool by then stays."""
        await self._directory.pool(user_pool_id)

        def stop(job: UserImportJob) -> UserImportJob:
            if job.status not in _AT_WORK:
                raise PreconditionNotMetException(f"The user import job is {_status(job, now=call.now)}.")  # UNVERIFIED
            return msgspec.structs.replace(job, status="Stopping")

        job = await self._store.change_job(user_pool_id, job_id, stop)
        if job is None:
            raise _missing(job_id)
        return {"user_import_job": self._described(job, now=call.now)}

    async def _check_role(self, role_arn: str, *, now: datetime) -> None:
        if self._logs is None:
            raise InvalidParameterException("CloudWatchLogsRoleArn: this server writes no logs.")
        try:
            await self._logs.check_role(role_arn, now=now)
        except LogsRefused as reason:
            # UNVERIFIED: AWS's words.
            raise InvalidParameterException(
                f"Cognito is not allowed to use the role {role_arn}.", detail=reason.message
            ) from None

    def _described(self, job: UserImportJob, *, now: datetime) -> dict[str, object]:
        """UserImportJobType."""
        past = _is_past(job, now=now)
        return {
            "job_name": job.job_name,
            "job_id": job.job_id,
            "user_pool_id": job.user_pool_id,
            "pre_signed_url": self._uploads.url(job),
            "creation_date": job.created_at,
            "start_date": job.started_at,
            "completion_date": job.created_at + STARTED_WITHIN if past else job.completed_at,
            "status": _status(job, now=now),
            "cloud_watch_logs_role_arn": job.cloud_watch_logs_role_arn,
            "imported_users": job.imported_users,
            "skipped_users": job.skipped_users,
            "failed_users": job.failed_users,
            "completion_message": EXPIRED_MESSAGE if past else job.completion_message,
        }


def _is_past(job: UserImportJob, *, now: datetime) -> bool:
    """Created, never started, and too old to be; whether or not somebody has written that down yet."""
    return job.status == "Created" and now >= job.created_at + STARTED_WITHIN


def _status(job: UserImportJob, *, now: datetime) -> str:
    return "Expired" if _is_past(job, now=now) else job.status


def _missing(job_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"User import job {job_id} does not exist.")  # UNVERIFIED

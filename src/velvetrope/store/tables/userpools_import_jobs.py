"""Jobs that import users from a file, and the uploaded files; what the jobs do is `userpools_imports`' subject.

A file is kept in parts under the id of its upload. Several uploads for one job may be under way; the first that ends
becomes the job's file (`UserImportJob.upload_id`), the parts of the others are nobody's and go.

`active` names the account of a job that was started and has not ended, and is unique: an account has one such job.
`holder` is whoever works on it until `lease_until`; a worker that dies lets go by that.
"""

from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Column, Integer, LargeBinary, String, Table, delete

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Connection
from velvetrope.store.schema import METADATA

__all__ = ["IMPORTS_TOPIC", "ImportStatus", "UserImportJob", "delete_of_pool", "jobs", "parts"]

IMPORTS_TOPIC = "userpools imports"
"""What the change feed calls it when there is something to do for whoever imports."""

ImportStatus = Literal["Created", "Pending", "InProgress", "Stopping", "Expired", "Stopped", "Failed", "Succeeded"]


class UserImportJob(msgspec.Struct, frozen=True, kw_only=True):
    """One job. `lines` and `offset` (bytes) say how far its file has been read; both count the header."""

    user_pool_id: str
    job_id: str
    job_name: str
    account_id: str
    cloud_watch_logs_role_arn: str
    created_at: datetime
    status: ImportStatus = "Created"
    started_at: datetime | None = None
    completed_at: datetime | None = None
    completion_message: str | None = None
    imported_users: int = 0
    skipped_users: int = 0
    failed_users: int = 0
    upload_id: str | None = None
    lines: int = 0
    offset: int = 0


jobs = Table(
    "userpools_import_jobs",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("job_id", String(55), primary_key=True),
    Column("created_at", UtcTime, nullable=False),
    Column("status", String(10), nullable=False),
    Column("active", String(12), unique=True),
    Column("holder", String(36)),
    Column("lease_until", UtcTime),
    Column("record", Record(UserImportJob), nullable=False),
)
parts = Table(
    "userpools_import_parts",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("job_id", String(55), primary_key=True),
    Column("upload_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)


async def delete_of_pool(connection: Connection, user_pool_id: str) -> None:
    """Everything of a pool that is being deleted, in its transaction."""
    for table in (jobs, parts):
        await connection.execute(delete(table).where(table.c.user_pool_id == user_pool_id))

"""The promises of the store of import jobs, with racing callers, on a real file."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from velvetrope.store import Database
from velvetrope.store.tables.userpools import PasswordPolicySettings, User, UserConflict, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_import_jobs import UserImportJob
from velvetrope.store.tables.userpools_imports import LEASE, ImportedUser, ImportStore

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POOL = "us-west-2_AbCdEfGhI"


@pytest.fixture
async def store(database: Database) -> ImportStore:
    """With a pool for the jobs."""
    pool = UserPool(
        id=POOL,
        name="people",
        account_id="123456789012",
        region="us-west-2",
        created_at=NOW,
        modified_at=NOW,
        password_policy=PasswordPolicySettings(),
        schema_attributes=(),
    )
    await UserPoolStore(database).create_pool(pool, [])
    return ImportStore(database)


async def job_of(store: ImportStore, job_id: str = "import-a", *, started: bool = True) -> UserImportJob:
    job = UserImportJob(
        user_pool_id=POOL,
        job_id=job_id,
        job_name="old people",
        account_id="123456789012",
        cloud_watch_logs_role_arn="arn:aws:iam::123456789012:role/imports",
        created_at=NOW,
    )
    assert await store.create_job(job, limit=9) == "created"
    if started:
        assert await store.start_job(POOL, job_id, pending) != "another_at_work"
    return job


def pending(job: UserImportJob) -> UserImportJob:
    return msgspec.structs.replace(job, status="Pending")


def somebody(name: str) -> ImportedUser:
    user = User(
        user_pool_id=POOL,
        username=name,
        sub=f"{name:0>8}-0000-4000-8000-000000000000",
        attributes={},
        enabled=True,
        status="RESET_REQUIRED",
        created_at=NOW,
        modified_at=NOW,
    )
    return ImportedUser(user, name)


def counted(job: UserImportJob, conflicts: Sequence[UserConflict | None]) -> UserImportJob:
    return msgspec.structs.replace(job, imported_users=job.imported_users + conflicts.count(None))


async def test_job_is_for_one_worker_until_its_lease_ends(store: ImportStore) -> None:
    await job_of(store)

    taken = await asyncio.gather(*(store.take_job(f"holder {number}", now=NOW) for number in range(4)))

    assert len([job for job in taken if job is not None]) == 1
    just_before = NOW + LEASE - timedelta(microseconds=1)
    assert await store.take_job("later", now=just_before) is None
    assert await store.load_next_lease_end() == NOW + LEASE
    assert await store.take_job("later", now=NOW + LEASE) is not None


async def test_batch_of_one_who_does_not_hold_the_job_is_not_saved(database: Database, store: ImportStore) -> None:
    job = await job_of(store)
    await store.take_job("dead", now=NOW)
    await store.take_job("alive", now=NOW + LEASE)

    lost = await store.save_batch(job, "dead", [somebody("anna")], counted, now=NOW + LEASE)
    saved = await store.save_batch(job, "alive", [somebody("bea")], counted, now=NOW + LEASE)

    assert lost is None
    assert saved is not None
    assert saved.job.imported_users == 1
    users = await UserPoolStore(database).load_users(POOL, after="", limit=9)
    assert [one.user.username for one in users] == ["bea"]
    assert not await store.finish_job(job, "dead", "Succeeded", "done", now=NOW)


async def test_batch_that_fails_leaves_neither_users_nor_progress(database: Database, store: ImportStore) -> None:
    job = await job_of(store)
    await store.take_job("holder", now=NOW)

    def breaks(_job: UserImportJob, _conflicts: Sequence[UserConflict | None]) -> UserImportJob:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await store.save_batch(job, "holder", [somebody("anna")], breaks, now=NOW)

    assert await UserPoolStore(database).load_users(POOL, after="", limit=9) == []
    kept = await store.load_job(POOL, job.job_id)
    assert kept is not None
    assert kept.imported_users == 0


async def test_user_twice_in_a_batch_is_one_and_a_conflict(store: ImportStore) -> None:
    job = await job_of(store)
    await store.take_job("holder", now=NOW)

    saved = await store.save_batch(job, "holder", [somebody("anna"), somebody("anna")], counted, now=NOW)

    assert saved is not None
    assert list(saved.conflicts) == [None, UserConflict("username")]


async def test_of_two_jobs_of_an_account_that_start_at_once_one_does(store: ImportStore) -> None:
    for job_id in ("import-a", "import-b"):
        await job_of(store, job_id, started=False)

    started = await asyncio.gather(*(store.start_job(POOL, job_id, pending) for job_id in ("import-a", "import-b")))

    assert sorted(isinstance(one, UserImportJob) for one in started) == [False, True]


async def test_first_upload_that_ends_is_the_file(store: ImportStore) -> None:
    job = await job_of(store, started=False)
    for upload_id in ("one", "other"):
        await store.save_part(job, upload_id, 0, upload_id.encode())

    ended = await asyncio.gather(store.finish_upload(job, "one"), store.finish_upload(job, "other"))

    assert sorted(ended) == [False, True]
    kept = await store.load_job(POOL, job.job_id)
    assert kept is not None
    assert await store.load_part(kept, 0) == (b"one" if ended[0] else b"other")
    assert await store.load_part(kept, 1) is None

"""Users who come in from a CSV file: its columns, its lines, the job, and what a crash may cost."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.userpools import PASSWORD, World, refused
from velvetrope.store import Database
from velvetrope.store.tables.userpools import SchemaAttribute, SoftwareTokenMfaConfig
from velvetrope.store.tables.userpools_imports import LEASE, ImportStore
from velvetrope.userpools.errors import PreconditionNotMetException
from velvetrope.userpools.imports import uploads
from velvetrope.userpools.imports.files import RowRefused, parse_row, render_row
from velvetrope.userpools.imports.uploads import FileTooLarge, UploadRefused

ROLE = "arn:aws:iam::123456789012:role/imports"
STANDARD = [
    *("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture"),
    *("website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number"),
    *("phone_number_verified", "address", "updated_at"),
]
NOT_VERIFIED = (
    "The User Record does not set any of the auto verified attributes to true. (Example: email_verified to true)."
)
TOO_LONG_A_NAME = (
    "1 validation error detected: Value at 'username' failed to satisfy constraint: "
    "Member must have length less than or equal to 128"
)
NO_DATE = "Attributes did not conform to the schema: birthdate: Date must be of the form YYYY-MM-DD"


class Job:
    """One import job of a pool that verifies mail addresses, unless told otherwise."""

    def __init__(self, world: World, pool_id: str, described: dict[str, Any]) -> None:
        self.world, self.pool_id = world, pool_id
        self.id, self.url = described["job_id"], described["pre_signed_url"]

    @classmethod
    async def create(cls, world: World, pool_id: str) -> "Job":
        answer = await world.create_user_import_job(
            job_name="people of old", user_pool_id=pool_id, cloud_watch_logs_role_arn=ROLE
        )
        return cls(world, pool_id, answer["user_import_job"])

    async def put(self, data: bytes, *, url: str | None = None) -> None:
        address = urlsplit(url or self.url)
        upload = await self.world.pools.uploads.open(address.path, dict(parse_qsl(address.query)), now=self.world.now)
        await upload.write(data)
        await upload.finish()

    async def start(self) -> None:
        await self.world.start_user_import_job(user_pool_id=self.pool_id, job_id=self.id)

    async def stop(self) -> None:
        await self.world.stop_user_import_job(user_pool_id=self.pool_id, job_id=self.id)

    async def state(self) -> dict[str, Any]:
        answer = await self.world.describe_user_import_job(user_pool_id=self.pool_id, job_id=self.id)
        return dict(answer["user_import_job"])

    async def counts(self) -> tuple[str, int, int, int]:
        state = await self.state()
        return state["status"], state["imported_users"], state["skipped_users"], state["failed_users"]

    def log(self) -> list[str]:
        return self.world.import_logs.lines[f"/aws/cognito/userpools/{self.pool_id}/people", f"{self.id}/people of old"]


async def file_of(world: World, pool_id: str, *rows: dict[str, str], header: Sequence[str] | None = None) -> bytes:
    """A file with the pool's columns; a row says what is not empty."""
    columns = list(header or (await world.get_csv_header(user_pool_id=pool_id))["csv_header"])
    usual = {"cognito:mfa_enabled": "false"}
    lines = [render_row(columns), *(render_row([(usual | row).get(name, "") for name in columns]) for row in rows)]
    return "\n".join(lines).encode() + b"\n"


def person(name: str, **attributes: str) -> dict[str, str]:
    return {"cognito:username": name, "email": f"{name}@people.example", "email_verified": "true", **attributes}


async def done(world: World, pool_id: str, *rows: dict[str, str]) -> Job:
    """A job that has run with these rows."""
    job = await Job.create(world, pool_id)
    await job.put(await file_of(world, pool_id, *rows))
    await job.start()
    assert await world.pools.imports.run_due() == 1
    return job


@pytest.fixture
async def pool_id(world: World) -> str:
    return await world.pool(auto_verified_attributes=("email",))


# The file


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1))
def test_line_that_was_written_is_read_back(cells: list[str]) -> None:
    assert parse_row(render_row(cells)) == cells


def test_comma_of_a_value_stands_behind_a_backslash() -> None:
    assert parse_row(r"anna,Main Street 1\, Berlin,C:\dir,") == ["anna", "Main Street 1, Berlin", "C:\\dir", ""]


def test_value_with_a_line_break_has_no_form() -> None:
    with pytest.raises(RowRefused, match="line break"):
        render_row(["a\nb"])


async def test_header_has_the_pools_attributes_and_two_columns_more(world: World) -> None:
    pool_id = await world.pool(schema=(SchemaAttribute(name="colour", attribute_data_type="String"),))

    answer = await world.get_csv_header(user_pool_id=pool_id)

    assert answer["user_pool_id"] == pool_id
    assert answer["csv_header"] == [*STANDARD, "custom:colour", "cognito:mfa_enabled", "cognito:username"]
    async with refused("ResourceNotFoundException", "User pool us-west-2_nobody does not exist."):
        await world.get_csv_header(user_pool_id="us-west-2_nobody")


# Users


async def test_users_arrive_and_have_to_reset_their_passwords(world: World, pool_id: str) -> None:
    job = await done(world, pool_id, person("anna", address="Main Street 1, Berlin"), person("bea"))

    assert await job.counts() == ("Succeeded", 2, 0, 0)
    state = await job.state()
    assert state["completion_message"] == "Import Job Completed Successfully."
    assert (state["start_date"], state["completion_date"]) == (world.now, world.now)
    assert job.log() == [
        "[SUCCEEDED] Line Number 2 - The import succeeded.",
        "[SUCCEEDED] Line Number 3 - The import succeeded.",
    ]
    anna = await world.admin_get_user(user_pool_id=pool_id, username="anna")
    assert (anna["user_status"], anna["enabled"], anna["user_create_date"]) == ("RESET_REQUIRED", True, world.now)
    attributes = {one["name"]: one["value"] for one in anna["user_attributes"]}
    assert attributes.pop("sub")
    assert attributes == {
        "email": "anna@people.example",
        "email_verified": "true",
        "address": "Main Street 1, Berlin",
    }


async def test_imported_user_signs_in_after_a_reset_and_not_before(world: World, pool_id: str) -> None:
    await done(world, pool_id, person("anna"))
    client_id = await world.client(pool_id, prevent_user_existence_errors="LEGACY")
    hiding = await world.client(pool_id)

    for client, refusal, text in (
        (client_id, "PasswordResetRequiredException", "Password reset required for the user"),
        (hiding, "NotAuthorizedException", "Incorrect username or password."),
    ):
        async with refused(refusal, text):
            await world.sign_in(client)
        async with refused(refusal, text):
            await world.srp_sign_in(pool_id, client)
    await world.forgot_password(client_id=client_id, username="anna")
    code = await world.last_code(pool_id)
    await world.confirm_forgot_password(client_id=client_id, username="anna", confirmation_code=code, password=PASSWORD)

    assert (await world.srp_sign_in(pool_id, client_id))["authentication_result"]["access_token"]


async def test_each_line_is_judged_by_itself(world: World, pool_id: str) -> None:
    await world.user(pool_id, "bea")
    job = await done(
        world,
        pool_id,
        person("anna"),
        person("bea"),
        person("carl", email_verified="false"),
        person("dora", email=""),
        person("emil", email="nonsense"),
        person(""),
        person("fritz", birthdate="tomorrow"),
        person("gerd", **{"cognito:mfa_enabled": "perhaps"}),
        person("hans", **{"cognito:mfa_enabled": "true"}),
        person("anna"),
        person("i" * 129),
        person("jana", address="x" * 16_000),
    )

    assert await job.counts() == ("Succeeded", 1, 2, 9)
    assert job.log() == [
        "[SUCCEEDED] Line Number 2 - The import succeeded.",
        "[SKIPPED] Line Number 3 - The user already exists.",
        f"[FAILED] Line Number 4 - {NOT_VERIFIED}",
        "[FAILED] Line Number 5 - email_verified is true and email is missing.",
        "[FAILED] Line Number 6 - Invalid email address format.",
        "[FAILED] Line Number 7 - cognito:username is missing.",
        f"[FAILED] Line Number 8 - {NO_DATE}",
        "[FAILED] Line Number 9 - cognito:mfa_enabled must be true or false.",
        "[FAILED] Line Number 10 - cognito:mfa_enabled is true and the user pool has MFA switched off.",
        "[SKIPPED] Line Number 11 - The user already exists.",
        f"[FAILED] Line Number 12 - {TOO_LONG_A_NAME}",
        "[FAILED] Line Number 13 - The line is longer than 16000 characters, or is not UTF-8.",
    ]


async def test_address_that_signs_somebody_in_is_not_taken_away(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",), alias_attributes=("email",))
    await world.user(pool_id, email="a@people.example", email_verified="true")

    job = await done(world, pool_id, person("bea", email="a@people.example"), person("carl"))

    assert job.log()[0] == "[FAILED] Line Number 2 - An account with the email already exists."
    assert await job.counts() == ("Succeeded", 1, 0, 1)


async def test_names_are_addresses_where_the_pool_says_so(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",), username_attributes=("email",))
    named = {"email_verified": "true"}
    job = await done(
        world,
        pool_id,
        named | {"cognito:username": "a@people.example", "email": "a@people.example"},
        named | {"cognito:username": "a@people.example", "email": "a@people.example"},
        named | {"cognito:username": "bea", "email": "b@people.example"},
    )

    assert await job.counts() == ("Succeeded", 1, 1, 1)
    anna = await world.admin_get_user(user_pool_id=pool_id, username="a@people.example")
    assert anna["username"] != "a@people.example"


async def test_second_factor_is_what_the_pool_can_ask_for(world: World, pool_id: str) -> None:
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="ON",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )

    job = await done(world, pool_id, person("anna", **{"cognito:mfa_enabled": "TRUE"}), person("bea"))

    assert await job.counts() == ("Succeeded", 1, 0, 1)
    assert job.log()[1] == ("[FAILED] Line Number 3 - The user pool requires MFA and cognito:mfa_enabled is false.")


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ([*STANDARD, "cognito:mfa_enabled"], "The header lacks cognito:username."),
        (
            [*STANDARD, "cognito:mfa_enabled", "cognito:username", "shoe"],
            "The header has unknown columns, such as shoe.",
        ),
        ([*STANDARD, "name", "cognito:mfa_enabled", "cognito:username"], "The header names twice name."),
    ],
    ids=["lacks", "unknown", "twice"],
)
async def test_header_of_another_pool_fails_the_job(world: World, pool_id: str, header: list[str], why: str) -> None:
    job = await Job.create(world, pool_id)
    await job.put(await file_of(world, pool_id, person("anna"), header=header))
    await job.start()
    await world.pools.imports.run_due()

    state = await job.state()

    assert (state["status"], state["completion_message"], state["imported_users"]) == ("Failed", why, 0)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "The file has no header."),
        (b"\xef\xbb\xbfname", "The file begins with a byte order mark; save it as UTF-8 without one."),
        (b"x" * 200_000, "The file could not be parsed."),
    ],
    ids=["empty", "mark", "one line"],
)
async def test_file_that_is_none_fails_the_job(world: World, pool_id: str, data: bytes, why: str) -> None:
    job = await Job.create(world, pool_id)
    await job.put(data)
    await job.start()
    await world.pools.imports.run_due()

    state = await job.state()

    assert (state["status"], state["completion_message"]) == ("Failed", why)


async def test_job_in_which_nobody_was_imported_has_failed(world: World, pool_id: str) -> None:
    job = await done(world, pool_id, person("anna", email_verified="false"))

    assert await job.counts() == ("Failed", 0, 0, 1)
    assert (await job.state())["completion_message"] == (
        "Too many users have failed or been skipped during the import."
    )


async def test_lines_of_windows_empty_lines_and_a_last_line_without_an_end_are_read(world: World, pool_id: str) -> None:
    job = await Job.create(world, pool_id)
    data = await file_of(world, pool_id, person("anna"), person("bea"))
    await job.put(data.replace(b"\n", b"\r\n\r\n").rstrip(b"\r\n"))
    await job.start()
    await world.pools.imports.run_due()

    assert await job.counts() == ("Succeeded", 2, 0, 0)
    assert job.log()[-1] == "[SUCCEEDED] Line Number 5 - The import succeeded."


# The job


async def test_job_is_created_described_and_listed(world: World, pool_id: str) -> None:
    jobs = [await Job.create(world, pool_id) for _ in range(3)]

    state = await jobs[0].state()
    assert (state["status"], state["creation_date"], state["job_name"]) == ("Created", world.now, "people of old")
    assert state["cloud_watch_logs_role_arn"] == ROLE
    first = await world.list_user_import_jobs(user_pool_id=pool_id, max_results=2)
    rest = await world.list_user_import_jobs(
        user_pool_id=pool_id, max_results=2, pagination_token=first["pagination_token"]
    )
    listed = [one["job_id"] for one in (*first["user_import_jobs"], *rest["user_import_jobs"])]
    assert sorted(listed) == sorted(job.id for job in jobs)
    assert "pagination_token" not in rest or rest["pagination_token"] is None


async def test_role_that_cognito_cannot_assume_makes_no_job(world: World, pool_id: str) -> None:
    world.import_logs.roles_refused.add(ROLE)

    async with refused("InvalidParameterException", f"Cognito is not allowed to use the role {ROLE}."):
        await Job.create(world, pool_id)
    assert (await world.list_user_import_jobs(user_pool_id=pool_id, max_results=1))["user_import_jobs"] == []


async def test_role_that_was_taken_away_fails_the_job(world: World, pool_id: str) -> None:
    job = await Job.create(world, pool_id)
    await job.put(await file_of(world, pool_id, person("anna")))
    await job.start()
    world.import_logs.roles_refused.add(ROLE)
    await world.pools.imports.run_due()

    assert await job.counts() == ("Failed", 0, 0, 0)
    assert (await world.list_users(user_pool_id=pool_id))["users"] == []


async def test_thousand_and_first_job_of_a_pool_is_refused(
    world: World, pool_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("velvetrope.userpools.imports.operations._JOBS_PER_POOL", 2)
    await Job.create(world, pool_id)
    await Job.create(world, pool_id)

    async with refused("LimitExceededException", "A user pool has at most 2 user import jobs."):
        await Job.create(world, pool_id)


async def test_what_a_job_is_not_ready_for_is_refused(world: World, pool_id: str) -> None:
    job = await Job.create(world, pool_id)

    async with refused("PreconditionNotMetException", "The user import job has no file yet."):
        await job.start()
    async with refused("PreconditionNotMetException", "The user import job is Created."):
        await job.stop()
    await job.put(await file_of(world, pool_id, person("anna")))
    await job.start()
    async with refused("PreconditionNotMetException", "The user import job is Pending."):
        await job.start()
    for operation in (world.start_user_import_job, world.stop_user_import_job, world.describe_user_import_job):
        async with refused("ResourceNotFoundException", "User import job import-nothing does not exist."):
            await operation(user_pool_id=pool_id, job_id="import-nothing")


async def test_pool_that_verifies_no_address_starts_no_job(world: World) -> None:
    pool_id = await world.pool()
    job = await Job.create(world, pool_id)
    await job.put(await file_of(world, pool_id, person("anna")))

    async with refused("PreconditionNotMetException", "The user pool has no auto-verified attributes."):
        await job.start()


async def test_account_has_one_job_at_work(world: World, pool_id: str) -> None:
    first, second = await Job.create(world, pool_id), await Job.create(world, pool_id)
    for job, name in ((first, "anna"), (second, "bea")):
        await job.put(await file_of(world, pool_id, person(name)))

    results = await asyncio.gather(first.start(), second.start(), return_exceptions=True)

    refusals = [result for result in results if result is not None]
    assert [type(refusal) for refusal in refusals] == [PreconditionNotMetException]
    assert str(refusals[0]) == "Another user import job of the account is in progress."
    await world.pools.imports.run_due()
    await (second if results[0] is None else first).start()


async def test_job_that_was_not_started_within_a_day_is_past(world: World, pool_id: str) -> None:
    job = await Job.create(world, pool_id)
    await job.put(await file_of(world, pool_id, person("anna")))
    created_at = world.now

    world.later(days=1, microseconds=-1)
    assert (await job.state())["status"] == "Created"
    world.later(microseconds=1)
    past = await job.state()
    async with refused("PreconditionNotMetException", "The user import job is Expired."):
        await job.start()
    await world.pools.imports.run_due()

    assert (past["status"], past["completion_message"]) == ("Expired", "The user import job has expired.")
    assert past["completion_date"] == created_at + timedelta(days=1)
    assert (await job.state())["status"] == "Expired"


async def test_job_goes_with_its_pool(world: World, pool_id: str) -> None:
    job = await Job.create(world, pool_id)
    await job.put(await file_of(world, pool_id, person("anna")))
    await job.start()

    await world.delete_user_pool(user_pool_id=pool_id)

    assert await world.pools.imports.run_due() == 0


# Between two batches


class Between:
    """Does something when the logs are written for the nth time: after a batch is in the store."""

    def __init__(self, world: World, what: Any, *, after_batch: int = 1) -> None:
        self.what, self.after_batch, self.batches = what, after_batch, 0
        self.reached = asyncio.Event()
        self.write = world.import_logs.write
        world.import_logs.write = self  # type: ignore[method-assign]  # a fake of ours, told to misbehave

    async def __call__(self, role_arn: str, group: str, stream: str, lines: list[str], *, now: datetime) -> None:
        self.batches += 1
        await self.write(role_arn, group, stream, lines, now=now)
        if self.batches == self.after_batch:
            self.reached.set()
            await self.what()


async def started(world: World, pool_id: str, people: int) -> Job:
    job = await Job.create(world, pool_id)
    await job.put(await file_of(world, pool_id, *(person(f"user{number:04}") for number in range(people))))
    await job.start()
    return job


async def test_stopped_job_keeps_whom_it_has_and_takes_nobody_else(world: World, pool_id: str) -> None:
    job = await started(world, pool_id, 300)
    Between(world, job.stop)

    await world.pools.imports.run_due()

    assert await job.counts() == ("Stopped", 99, 0, 0)
    async with refused("PreconditionNotMetException", "The user import job is Stopped."):
        await job.start()


async def test_job_goes_on_where_a_dead_node_has_left_it(world: World, pool_id: str) -> None:
    job = await started(world, pool_id, 250)
    dead = asyncio.Event()
    between = Between(world, dead.wait)
    worker = asyncio.create_task(world.pools.imports.run_due())
    await between.reached.wait()
    # It gives nothing back, so that the job is its own until the lease ends.
    world.later(seconds=LEASE.total_seconds(), microseconds=-1)
    assert await world.pools.imports.run_due() == 0
    world.later(microseconds=1)

    await world.pools.imports.run_due()
    counted = await job.counts()
    dead.set()
    await worker

    assert counted == await job.counts() == ("Succeeded", 250, 0, 0)
    assert (await world.describe_user_pool(user_pool_id=pool_id))["user_pool"]["estimated_number_of_users"] == 250


async def test_job_that_is_given_back_is_taken_at_once(world: World, pool_id: str) -> None:
    job = await started(world, pool_id, 150)
    between = Between(world, asyncio.Event().wait)
    world.pools.imports.start()
    await between.reached.wait()
    await world.pools.imports.stop()

    await world.pools.imports.run_due()

    assert await job.counts() == ("Succeeded", 150, 0, 0)


async def test_job_that_meets_a_fault_of_ours_fails_and_keeps_no_other_waiting(world: World, pool_id: str) -> None:
    async def fault() -> None:
        raise ZeroDivisionError

    job = await started(world, pool_id, 150)
    Between(world, fault)

    await world.pools.imports.run_due()

    assert await job.counts() == ("Failed", 99, 0, 0)
    assert (await job.state())["completion_message"] == "An internal error occurred."
    assert await (await done(world, pool_id, person("bea"))).counts() == ("Succeeded", 1, 0, 0)


async def test_sign_up_during_the_import_keeps_its_name(world: World, pool_id: str) -> None:
    job = await started(world, pool_id, 200)
    Between(world, lambda: world.user(pool_id, "user0150"))

    await world.pools.imports.run_due()

    assert await job.counts() == ("Succeeded", 199, 1, 0)


# The file's door


async def test_address_is_good_once(world: World, pool_id: str) -> None:
    job = await Job.create(world, pool_id)
    await job.put(await file_of(world, pool_id, person("anna")))

    with pytest.raises(UploadRefused, match="has its file already"):
        await job.put(b"other")
    assert (await job.state())["status"] == "Created"


async def test_of_two_uploads_at_once_one_is_the_file(world: World, pool_id: str) -> None:
    job = await Job.create(world, pool_id)
    address = urlsplit(job.url)
    query = dict(parse_qsl(address.query))
    uploads = [await world.pools.uploads.open(address.path, query, now=world.now) for _ in range(2)]
    for upload in uploads:
        await upload.write(b"x" * 100_000)

    results = await asyncio.gather(*(upload.finish() for upload in uploads), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "UploadRefused"]


async def test_address_ends_after_a_quarter_of_an_hour(world: World, pool_id: str) -> None:
    early, late = await Job.create(world, pool_id), await Job.create(world, pool_id)

    world.later(minutes=15, microseconds=-1)
    await early.put(b"file")
    world.later(microseconds=1)

    with pytest.raises(UploadRefused, match="has expired"):
        await late.put(b"file")


@pytest.mark.parametrize(
    ("old", "new"),
    [("Expires=1", "Expires=2"), ("Signature=", "Signature=0"), ("Key=", "Key=0"), ("Expires=", "Until=")],
    ids=["later", "signature", "key", "name"],
)
async def test_address_that_was_changed_opens_nothing(world: World, pool_id: str, old: str, new: str) -> None:
    job = await Job.create(world, pool_id)
    assert old in job.url

    with pytest.raises(UploadRefused):
        await job.put(b"file", url=job.url.replace(old, new))


async def test_address_of_one_job_is_none_of_another(world: World, pool_id: str) -> None:
    one, other = await Job.create(world, pool_id), await Job.create(world, pool_id)

    with pytest.raises(UploadRefused, match="was changed"):
        await other.put(b"file", url=one.url.replace(one.id, other.id))


async def test_file_has_a_largest_size(world: World, pool_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILE_BYTES", 100_000)
    job, larger = await Job.create(world, pool_id), await Job.create(world, pool_id)

    await job.put(b"x" * 100_000)
    with pytest.raises(FileTooLarge):
        await larger.put(b"x" * 100_001)


async def test_file_of_a_job_that_has_ended_is_gone(world: World, pool_id: str, database: Database) -> None:
    job = await done(world, pool_id, person("anna"))
    stored = await ImportStore(database).load_job(pool_id, job.id)

    assert stored is not None
    assert stored.upload_id is None
    with pytest.raises(UploadRefused, match="waits for no file"):
        await job.put(b"again")

"""Users imported from a CSV file by unmodified clients: boto3 for the job, curl for the file, CloudWatch Logs for what
became of each line."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from support.clients import aws_client, new_user
from support.running import RunningServer
from support.user_imports import ended, file_for, job_of, make_role

FORBIDDEN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)


@pytest.fixture(scope="module")
def admin(serving: RunningServer) -> Any:
    return aws_client(serving, "cognito-idp")


@pytest.fixture(scope="module")
def role(serving: RunningServer) -> str:
    """The ARN of a role as AWS's page has one made for imports."""
    trust = {"Effect": "Allow", "Principal": {"Service": "cognito-idp.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return make_role(serving, "imports", trust, "arn:aws:logs:us-west-2:123456789012:log-group:/aws/cognito/*")


@pytest.fixture
def pool_id(admin: Any) -> str:
    return str(admin.create_user_pool(PoolName="people", AutoVerifiedAttributes=["email"])["UserPool"]["Id"])


def test_file_goes_up_by_curl_and_users_come_in(
    serving: RunningServer, admin: Any, role: str, pool_id: str, tmp_path: Path
) -> None:
    job = job_of(admin, pool_id, role)
    file = tmp_path / "people.csv"
    file.write_bytes(file_for(admin, pool_id, "anna", "bea", "anna"))

    # As AWS's page has it.
    command = ["curl", "-s", "-S", "-f", "-T", str(file), "-H", "x-amz-server-side-encryption:aws:kms"]
    subprocess.run([*command, job["PreSignedUrl"]], check=True, timeout=30)
    admin.start_user_import_job(UserPoolId=pool_id, JobId=job["JobId"])
    done = ended(admin, pool_id, job["JobId"])

    counts = done["Status"], done["ImportedUsers"], done["SkippedUsers"], done["FailedUsers"]
    assert counts == ("Succeeded", 2, 1, 0)
    assert done["CompletionMessage"] == "Import Job Completed Successfully."
    assert admin.admin_get_user(UserPoolId=pool_id, Username="anna")["UserStatus"] == "RESET_REQUIRED"
    written = aws_client(serving, "logs").get_log_events(
        logGroupName=f"/aws/cognito/userpools/{pool_id}/people", logStreamName=f"{job['JobId']}/old people"
    )
    assert [event["message"] for event in written["events"]] == [
        "[SUCCEEDED] Line Number 2 - The import succeeded.",
        "[SUCCEEDED] Line Number 3 - The import succeeded.",
        "[SKIPPED] Line Number 4 - The user already exists.",
    ]
    assert [
        one["JobId"] for one in admin.list_user_import_jobs(UserPoolId=pool_id, MaxResults=5)["UserImportJobs"]
    ] == [job["JobId"]]


def test_large_file_goes_through_the_door_in_pieces(admin: Any, role: str, pool_id: str) -> None:
    job = job_of(admin, pool_id, role)
    data = file_for(admin, pool_id, *(f"person{number:05}" for number in range(3_000)))

    def pieces() -> Any:
        for start in range(0, len(data), 50_000):
            yield data[start : start + 50_000]

    assert requests.put(job["PreSignedUrl"], data=pieces(), timeout=30).status_code == 200
    admin.start_user_import_job(UserPoolId=pool_id, JobId=job["JobId"])

    assert ended(admin, pool_id, job["JobId"])["ImportedUsers"] == 3_000
    assert admin.describe_user_pool(UserPoolId=pool_id)["UserPool"]["EstimatedNumberOfUsers"] == 3_000


def test_address_is_good_for_one_file_and_for_nothing_else(
    serving: RunningServer, admin: Any, role: str, pool_id: str
) -> None:
    job = job_of(admin, pool_id, role)
    url = job["PreSignedUrl"]

    assert requests.get(url, timeout=10).status_code == 405
    changed = requests.put(url.replace("Expires=1", "Expires=2"), data=b"x", timeout=10)
    bare = requests.put(url.partition("?")[0], data=b"x", timeout=10)
    assert {(answer.status_code, answer.text) for answer in (changed, bare)} == {(403, FORBIDDEN)}
    assert requests.put(url, data=b"first", timeout=10).headers["etag"] == '"8b04d5e3775d298e78455efc5ca404d5"'
    second = requests.put(url, data=b"second", timeout=10)

    assert (second.status_code, second.text) == (403, FORBIDDEN)


def test_role_that_does_not_trust_cognito_is_refused(serving: RunningServer, admin: Any, pool_id: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role_arn = make_role(serving, "imports-untrusting", trust, "*")

    with pytest.raises(ClientError) as refusal:
        job_of(admin, pool_id, role_arn)

    error = refusal.value.response["Error"]
    assert error["Code"] == "InvalidParameterException"
    assert error["Message"] == f"Cognito is not allowed to use the role {role_arn}."


def test_role_that_may_not_write_logs_fails_the_job(serving: RunningServer, admin: Any, pool_id: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "cognito-idp.amazonaws.com"}, "Action": "sts:AssumeRole"}
    elsewhere = "arn:aws:logs:us-west-2:123456789012:log-group:/aws/lambda/*"
    job = job_of(admin, pool_id, make_role(serving, "imports-elsewhere", trust, elsewhere))
    requests.put(job["PreSignedUrl"], data=file_for(admin, pool_id, "anna"), timeout=10)
    admin.start_user_import_job(UserPoolId=pool_id, JobId=job["JobId"])

    done = ended(admin, pool_id, job["JobId"])

    assert (done["Status"], done["ImportedUsers"]) == ("Failed", 0)


def test_caller_has_to_be_allowed_to_pass_the_role(serving: RunningServer, role: str, pool_id: str) -> None:
    may_create = {"Effect": "Allow", "Action": "cognito-idp:CreateUserImportJob", "Resource": "*"}
    may_pass = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role}
    passing = aws_client(serving, "cognito-idp", new_user(serving, "importer", may_create, may_pass))
    other = aws_client(serving, "cognito-idp", new_user(serving, "no-importer", may_create))

    assert job_of(passing, pool_id, role)["Status"] == "Created"
    with pytest.raises(ClientError) as refusal:
        job_of(other, pool_id, role)
    assert refusal.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "iam:PassRole" in refusal.value.response["Error"]["Message"]

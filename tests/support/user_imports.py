"""Users imported by boto3: the role, the file and the job."""

import json
import time
from typing import Any

from support.clients import aws_client
from support.running import RunningServer

__all__ = ["ended", "file_for", "job_of", "make_role"]

PUBLIC = {"cognito:mfa_enabled": "false", "email_verified": "true"}


def make_role(server: RunningServer, name: str, trust: dict[str, Any], writes: str) -> str:
    iam = aws_client(server, "iam")
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    policy = {"Effect": "Allow", "Action": actions, "Resource": writes}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="logs", PolicyDocument=_document(policy))
    return str(made["Arn"])


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def file_for(admin: Any, pool_id: str, *names: str) -> bytes:
    header = admin.get_csv_header(UserPoolId=pool_id)["CSVHeader"]
    rows = [PUBLIC | {"cognito:username": name, "email": f"{name}@people.example"} for name in names]
    lines = [header, *([row.get(column, "") for column in header] for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def job_of(admin: Any, pool_id: str, role_arn: str) -> dict[str, Any]:
    made = admin.create_user_import_job(JobName="old people", UserPoolId=pool_id, CloudWatchLogsRoleArn=role_arn)
    return dict(made["UserImportJob"])


def ended(admin: Any, pool_id: str, job_id: str) -> dict[str, Any]:
    """The job, once it has ended."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        job = dict(admin.describe_user_import_job(UserPoolId=pool_id, JobId=job_id)["UserImportJob"])
        if job["Status"] not in ("Pending", "InProgress", "Stopping"):
            return job
        time.sleep(0.02)
    raise AssertionError("the job has not ended")

"""`velvetrope users import`: a user import job, made and driven by AWS's own operations.

The file has a header. Columns that the pool's file has are taken; of what `users export` adds, `enabled` and `groups`
are done by further calls for those who were imported, and the rest says what cannot be said (`sub`, `status`: a new
user has new ones). Other columns are refused. Users of an identity provider are left out: they come by signing in with
it, which a local user of that name would keep them from. Where the pool calls people by an address, that is their name.

A job writes its log under a role. The one used here is `velvetrope-user-import`, made when it is not there, which
Cognito may assume and which may write logs of import jobs and nothing else.
"""

import csv
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from velvetrope.cli.ending import reason_of
from velvetrope.cli.user_directory import UserDirectory, UsersError, plain_cell
from velvetrope.userpools.imports.files import RowRefused, parse_truth, render_row

__all__ = ["ImportOutcome", "UserImport"]

_ROLE: Final = "velvetrope-user-import"
_JOB: Final = "velvetrope users import"
_USERNAME, _MFA = "cognito:username", "cognito:mfa_enabled"
_ADDED_BY_EXPORT: Final = frozenset({"status", "enabled", "groups", "sub", "identities"})
_FEDERATED: Final = "EXTERNAL_PROVIDER"
_DONE: Final = frozenset({"Succeeded", "Failed", "Stopped", "Expired"})
_ASKED_AGAIN_AFTER_SECONDS: Final = 0.2


@dataclass(frozen=True)
class ImportOutcome:
    """What became of the file; `refused` is why the job failed, `problems` are lines of its log.

    `federated` counts users of identity providers, who were left out.
    """

    imported: int
    skipped: int
    failed: int
    federated: int
    problems: Sequence[str]
    refused: str


@dataclass(frozen=True)
class UserImport:
    """A file for one pool. Lines of the job's file are those of `rows`, after the header."""

    people: UserDirectory
    header: Sequence[str]
    rows: Sequence[Mapping[str, str]]
    federated: int

    @classmethod
    def read(cls, file: Path, people: UserDirectory) -> "UserImport":
        """
        Raises:
            UsersError: no such file, no CSV, a column that the pool does not know, or a line that says
                something else than its header promises.
            ClientError: a group that the pool does not have.
        """
        header = people.call("get_csv_header")["CSVHeader"]
        columns, rows = _read(file)
        unknown = sorted(set(columns) - set(header) - _ADDED_BY_EXPORT)
        if unknown:
            raise UsersError(f"{file}: the pool {people.pool_name} has no attribute {unknown[0]}.")
        if _USERNAME not in columns:
            raise UsersError(f"{file} has no column {_USERNAME}.")
        people.check_groups(sorted({group for row in rows for group in row.get("groups", "").split()}))
        local = [row for row in rows if row.get("status") != _FEDERATED]
        return cls(people, header, local, federated=len(rows) - len(local))

    def run(self, state_folder: Path) -> ImportOutcome:
        """Have the server import the file, and wait until it has.

        Raises:
            UsersError: the server takes no file, or one that cannot be written.
        """
        pool = self.people.call("describe_user_pool")["UserPool"]
        addresses = pool.get("UsernameAttributes", [])
        data = "\n".join([render_row(self.header), *map(self._line, self._named(addresses))]) + "\n"
        created = self.people.call(
            "create_user_import_job", JobName=_JOB, CloudWatchLogsRoleArn=_role_arn(state_folder, self.people.pool_id)
        )["UserImportJob"]
        _put(created["PreSignedUrl"], data.encode())
        job = self.people.call("start_user_import_job", JobId=created["JobId"])["UserImportJob"]
        while job["Status"] not in _DONE:
            time.sleep(_ASKED_AGAIN_AFTER_SECONDS)
            job = self.people.call("describe_user_import_job", JobId=created["JobId"])["UserImportJob"]
        log = list(_log_of(state_folder, self.people.pool_id, job["JobId"]))
        self._settle(log, addresses)
        return ImportOutcome(
            imported=job["ImportedUsers"],
            skipped=job["SkippedUsers"],
            failed=job["FailedUsers"],
            federated=self.federated,
            problems=[line for line in log if not line.startswith("[SUCCEEDED]")],
            refused="" if job["Status"] == "Succeeded" else job.get("CompletionMessage", job["Status"]),
        )

    def _named(self, addresses: Sequence[str]) -> Iterator[Mapping[str, str]]:
        for row in self.rows:
            address = next((row[name] for name in addresses if row.get(name)), None)
            yield {**row, _USERNAME: row[_USERNAME] if address is None else address}

    def _line(self, row: Mapping[str, str]) -> str:
        try:
            return render_row([(row.get(name) or ("false" if name == _MFA else "")) for name in self.header])
        except RowRefused as reason:
            raise UsersError(f"{row[_USERNAME]}: {reason.message}") from None

    def _settle(self, log: Sequence[str], addresses: Sequence[str]) -> None:
        """Groups and switched-off accounts, for those whose line has succeeded."""
        succeeded = {int(line.split()[3]) for line in log if line.startswith("[SUCCEEDED]")}
        for number, row in enumerate(self._named(addresses), 2):
            if number not in succeeded:
                continue
            for group in row.get("groups", "").split():
                self.people.call("admin_add_user_to_group", Username=row[_USERNAME], GroupName=group)
            if not parse_truth("enabled", row.get("enabled") or "true"):
                self.people.call("admin_disable_user", Username=row[_USERNAME])


def _read(file: Path) -> tuple[list[str], list[Mapping[str, str]]]:
    """The columns and, by their names, the cells of each line. A spreadsheet may have put a byte order mark in front.

    Raises:
        UsersError: see `UserImport.read`.
    """
    rows: list[Mapping[str, str]] = []
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.reader(text, strict=True)
            columns = next(reader, [])
            twice = [name for name in columns if columns.count(name) > 1]
            if twice:
                raise UsersError(f"{file} has the column {twice[0]} twice.")
            for cells in filter(None, reader):
                if len(cells) != len(columns):
                    counts = f"{len(cells)} cells under {len(columns)} columns"
                    raise UsersError(f"{file}, line {reader.line_num}: {counts}.")
                row = {name: plain_cell(cell) for name, cell in zip(columns, cells, strict=True)}
                parse_truth("enabled", row.get("enabled") or "true")
                rows.append(row)
    except (OSError, UnicodeDecodeError) as err:
        raise UsersError(f"{file} cannot be read: {reason_of(err)}.") from None
    except csv.Error as reason:
        raise UsersError(f"{file} cannot be read: {reason}") from None
    except RowRefused as reason:
        raise UsersError(f"{file}, line {reader.line_num}: {reason.message}") from None
    return columns, rows


def _role_arn(state_folder: Path, pool_id: str) -> str:
    """The role that import jobs write their logs under."""
    from velvetrope.cli.owner import OwnersConnection

    iam: Any = OwnersConnection.open(state_folder).client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "cognito-idp.amazonaws.com"}, "Action": "sts:AssumeRole"}
    try:
        role = iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=_document(trust))["Role"]
    except iam.exceptions.EntityAlreadyExistsException:
        role = iam.get_role(RoleName=_ROLE)["Role"]
    account_id, region = role["Arn"].split(":")[4], pool_id.split("_", maxsplit=1)[0]
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    writes = f"arn:aws:logs:{region}:{account_id}:log-group:/aws/cognito/*"
    allowed = {"Effect": "Allow", "Action": actions, "Resource": writes}
    iam.put_role_policy(RoleName=_ROLE, PolicyName="logs", PolicyDocument=_document(allowed))
    return str(role["Arn"])


def _document(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _put(url: str, data: bytes) -> None:
    request = urllib.request.Request(url, data=data, method="PUT")  # noqa: S310  our own server's address
    try:
        with urllib.request.urlopen(request):  # noqa: S310
            return
    except urllib.error.URLError as reason:
        raise UsersError(f"The server did not take the file: {reason}") from None


def _log_of(state_folder: Path, pool_id: str, job_id: str) -> Iterator[str]:
    from velvetrope.cli.owner import OwnersConnection

    logs: Any = OwnersConnection.open(state_folder).client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/cognito/userpools/{pool_id}/")["logGroups"]
    for group in groups:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"], logStreamNames=[f"{job_id}/{_JOB}"]
        )
        for page in pages:
            yield from (event["message"] for event in page["events"])

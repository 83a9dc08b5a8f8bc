"""One user pool of the running server, asked and changed by AWS's own operations with the root key."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from velvetrope.cli.terminal import shown
from velvetrope.secret import Secret

if TYPE_CHECKING:
    from botocore.client import BaseClient

__all__ = ["UserDirectory", "UsersError", "attributes_of", "plain_cell"]


class UsersError(Exception):
    """What was asked for was not done. The message is for the person at the terminal."""


@dataclass(frozen=True)
class UserDirectory:
    """One pool of the running server."""

    client: "BaseClient"
    pool_id: str
    pool_name: str
    """As a terminal is shown it: names of pools may have line breaks."""

    @classmethod
    def open(cls, state_folder: Path, pool: str | None) -> "UserDirectory":
        """The pool that `pool` names by its id or name, or the only one.

        Raises:
            UsersError: there is no such pool, none, or more than one that could be meant.
            NoAnswer, StateFolderError: there is no server to ask.
        """
        from velvetrope.cli.owner import OwnersConnection

        client = OwnersConnection.open(state_folder).client("cognito-idp")
        pages = client.get_paginator("list_user_pools").paginate(MaxResults=60)
        pools = [one for page in pages for one in page["UserPools"]]
        if not pools:
            raise UsersError("The server has no user pool.")
        wanted = [one for one in pools if pool is None or pool in (one["Id"], one["Name"])]
        if len(wanted) == 1:
            return cls(client, wanted[0]["Id"], shown(wanted[0]["Name"]))
        known = ", ".join(f"{shown(one['Name'])} ({one['Id']})" for one in (wanted or pools))
        if not wanted:
            raise UsersError(f"--pool {pool}: there is no such pool. There is {known}.")
        raise UsersError(f"Which pool? Name one by its id with --pool: {known}.")

    def call(self, operation: str, **parameters: object) -> Any:  # noqa: ANN401  botocore's answers are dicts of anything
        """Ask for one operation on the pool."""
        return getattr(self.client, operation)(UserPoolId=self.pool_id, **parameters)

    def users(self) -> Iterator[Mapping[str, Any]]:
        """Everybody, page by page."""
        for page in self.client.get_paginator("list_users").paginate(UserPoolId=self.pool_id):
            yield from page["Users"]

    def check_user(self, name: str) -> None:
        """See that there is such a user before anything is asked of the person at the terminal."""
        self.call("admin_get_user", Username=name)

    def check_groups(self, groups: list[str]) -> None:
        """See that there are these groups, before a user is made who is to be in them."""
        for group in groups:
            self.call("get_group", GroupName=group)

    def add(
        self,
        name: str,
        password: Secret[str],
        *,
        email: str | None,
        phone: str | None,
        groups: list[str],
        temporary: bool,
    ) -> None:
        """Make the user, all of it or nothing."""
        attributes = []
        for attribute, value in (("email", email), ("phone_number", phone)):
            if value is not None:
                attributes += [{"Name": attribute, "Value": value}, {"Name": f"{attribute}_verified", "Value": "true"}]
        self.call("admin_create_user", Username=name, UserAttributes=attributes, MessageAction="SUPPRESS")
        try:
            self.set_password(name, password, temporary=temporary)
            for group in groups:
                self.call("admin_add_user_to_group", Username=name, GroupName=group)
        except BaseException:
            self.call("admin_delete_user", Username=name)
            raise

    def set_password(self, name: str, password: Secret[str], *, temporary: bool) -> None:
        self.call("admin_set_user_password", Username=name, Password=password.reveal(), Permanent=not temporary)

    def as_json(self) -> str:
        """Users as a JSON list."""
        groups = self._memberships()
        people = [
            {
                "username": user["Username"],
                "status": user["UserStatus"],
                "enabled": user["Enabled"],
                "created": user["UserCreateDate"].isoformat(),
                "modified": user["UserLastModifiedDate"].isoformat(),
                "attributes": attributes_of(user),
                "groups": groups.get(user["Username"], []),
            }
            for user in self.users()
        ]
        return json.dumps(people, indent=2, ensure_ascii=False) + "\n"

    def as_csv(self) -> str:
        """Users as CSV: a column for each attribute that anybody has, and what the pool knows besides."""
        people = [(user, attributes_of(user)) for user in self.users()]
        memberships = self._memberships()
        names = sorted({name for _, attributes in people for name in attributes})
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["cognito:username", "status", "enabled", "groups", *names])
        for user, attributes in people:
            enabled = str(user["Enabled"]).lower()
            groups = " ".join(memberships.get(user["Username"], ()))
            values = (attributes.get(name, "") for name in names)
            writer.writerow([_cell(cell) for cell in (user["Username"], user["UserStatus"], enabled, groups, *values)])
        return text.getvalue()

    def _memberships(self) -> dict[str, list[str]]:
        """Everybody's groups. Asked group by group: a pool has few groups and many people."""
        found: dict[str, list[str]] = {}
        for page in self.client.get_paginator("list_groups").paginate(UserPoolId=self.pool_id):
            for group in page["Groups"]:
                members = self.client.get_paginator("list_users_in_group")
                for users in members.paginate(UserPoolId=self.pool_id, GroupName=group["GroupName"]):
                    for user in users["Users"]:
                        found.setdefault(user["Username"], []).append(group["GroupName"])
        return found


def attributes_of(user: Mapping[str, Any]) -> dict[str, str]:
    """A listed user's attributes by their names."""
    return {one["Name"]: one["Value"] for one in user.get("Attributes", ())}


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV Injection); phone numbers stay as they are."""
    dangerous = text[:1] in {"=", "@", "\t", "\r"} or (text[:1] in {"+", "-"} and not text[1:].isdigit())
    return f"'{text}" if dangerous else text


def plain_cell(cell: str) -> str:
    """The text that the cell of an export stands for."""
    return cell[1:] if cell.startswith("'") and _cell(cell[1:]) == cell else cell

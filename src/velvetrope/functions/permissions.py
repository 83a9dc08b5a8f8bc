"""Resource policies of functions: the documents that AddPermission makes, and what they are compiled to.

AddPermission takes fields, not a document; the statement that they make is AWS's, member for member and in its order,
because tools compare it (`Condition.ArnLike["AWS:SourceArn"]`). Each function, version and alias has a policy of its
own; `$LATEST` cannot have one.

`ResourcePolicies` hands out the compiled policy of a function ARN and remembers it until something about functions is
committed. Who is allowed what by it is decided by `velvetrope.policy`.

Source: AWS Lambda API Reference, AddPermission; documents and texts as recorded in reference/lambda.md section 6.
"""

import json
import re
from collections.abc import Mapping

import msgspec

from velvetrope.functions.errors import (
    InvalidParameterValueException,
    PolicyLengthExceededException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from velvetrope.functions.layers import parse_version_arn
from velvetrope.functions.names import FunctionReference, parse_function_name
from velvetrope.policy import Policy, read_policy
from velvetrope.store import Database
from velvetrope.store.tables.function_layers import LayerStore
from velvetrope.store.tables.functions import FunctionPolicy, FunctionStore

__all__ = ["ResourcePolicies", "Statement", "add_statement", "build_statement", "remove_statement"]

MAX_POLICY_BYTES = 20_480

_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?")
_ACCOUNT = re.compile(r"\d{12}")
_IDENTITY = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:(root|(user|role|assumed-role|federated-user)/\S+)")

Statement = dict[str, object]


def build_statement(
    reference: FunctionReference,
    *,
    statement_id: str,
    action: str,
    principal: str,
    source_arn: str | None = None,
    source_account: str | None = None,
    event_source_token: str | None = None,
    principal_org_id: str | None = None,
    function_url_auth_type: str | None = None,
    invoked_via_function_url: bool | None = None,
) -> Statement:
    """The statement that these fields make.

    Raises:
        InvalidParameterValueException: the principal is none of: a service's host, an account, an ARN, `*`.
    """
    statement: Statement = {
        "Sid": statement_id,
        "Effect": "Allow",
        "Principal": _render_principal(principal),
        "Action": action,
        "Resource": reference.qualified_arn,
    }
    equals = {
        "AWS:SourceAccount": source_account,
        "aws:PrincipalOrgID": principal_org_id,
        "lambda:EventSourceToken": event_source_token,
        "lambda:FunctionUrlAuthType": function_url_auth_type,
    }
    conditions: dict[str, dict[str, str]] = {}
    present = {key: value for key, value in equals.items() if value is not None}
    if present:
        conditions["StringEquals"] = present
    if invoked_via_function_url is not None:
        conditions["Bool"] = {"lambda:InvokedViaFunctionUrl": "true" if invoked_via_function_url else "false"}
    if source_arn is not None:
        conditions["ArnLike"] = {"AWS:SourceArn": source_arn}
    if conditions:
        statement["Condition"] = conditions
    return statement


def add_statement(
    present: FunctionPolicy | None,
    statement: Statement,
    *,
    function_arn: str,
    qualifier: str,
    new_revision_id: str,
    expected_revision_id: str | None,
) -> FunctionPolicy:
    """The policy of that function and qualifier (or layer and version) with one more statement.

    Raises:
        PreconditionFailedException: the policy has another revision than the caller has seen.
        ResourceConflictException: the statement id is taken.
        PolicyLengthExceededException: it would be too long.
    """
    _check_revision(present, expected_revision_id)
    statements = _statements_of(present)
    statement_id = statement["Sid"]
    if any(found["Sid"] == statement_id for found in statements):
        raise ResourceConflictException(
            f"The statement id ({statement_id}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    document = _render_document([*statements, statement])
    size = len(document.encode())
    if size > MAX_POLICY_BYTES:
        raise PolicyLengthExceededException(
            f"The final policy size ({size}) is bigger than the limit ({MAX_POLICY_BYTES})."
        )
    return FunctionPolicy(
        function_arn=function_arn,
        qualifier=qualifier,
        document=document,
        revision_id=new_revision_id,
    )


def remove_statement(
    present: FunctionPolicy | None, statement_id: str, *, new_revision_id: str, expected_revision_id: str | None
) -> FunctionPolicy | None:
    """The policy without that statement; None if it was the last.

    Raises:
        ResourceNotFoundException: there is no policy, or no such statement in it.
        PreconditionFailedException: the policy has another revision than the caller has seen.
    """
    if present is None:
        raise ResourceNotFoundException("No policy is associated with the given resource.")
    _check_revision(present, expected_revision_id)
    statements = _statements_of(present)
    kept = [found for found in statements if found["Sid"] != statement_id]
    if len(kept) == len(statements):
        raise ResourceNotFoundException(f"Statement {statement_id} is not found in resource policy.")
    if not kept:
        return None
    return msgspec.structs.replace(present, document=_render_document(kept), revision_id=new_revision_id)


def render_statement(statement: Mapping[str, object]) -> str:
    """The statement as AddPermission answers it."""
    return json.dumps(statement, separators=(",", ":"), ensure_ascii=False)


class ResourcePolicies:
    """The compiled resource policy of each function, version and alias, and of each layer version."""

    def __init__(self, database: Database, *, account_id: str, region: str) -> None:
        self._store = FunctionStore(database)
        self._layers = LayerStore(database)
        self._account_id = account_id
        self._region = region
        self._compiled: dict[str, Policy | None] = {}
        self._generation = 0
        database.changes.subscribe("functions", self._forget)

    async def find(self, function_arn: str) -> Policy | None:
        """The policy of that ARN, qualified or not; None if it has none or is neither function nor layer of ours."""
        if function_arn in self._compiled:
            return self._compiled[function_arn]
        generation = self._generation
        stored = await self._load(function_arn)
        policy = None if stored is None else read_policy(stored.document, kind="resource", source=function_arn)
        # Only what exists is remembered, so that made-up ARNs cannot fill the memory.
        if policy is not None and generation == self._generation:
            self._compiled[function_arn] = policy
        return policy

    async def _load(self, arn: str) -> FunctionPolicy | None:
        layer_version = parse_version_arn(arn)
        if layer_version is not None:
            return await self._layers.load_policy(*layer_version)
        try:
            reference = parse_function_name(arn, account_id=self._account_id, region=self._region)
        except (InvalidParameterValueException, ResourceNotFoundException):
            return None
        # $LATEST has no policy of its own: the bare function's counts.
        qualifier = "" if reference.qualifier == "$LATEST" else reference.qualifier
        return await self._store.load_policy(reference.arn, qualifier)

    def _forget(self) -> None:
        self._generation += 1
        self._compiled.clear()


def _render_principal(principal: str) -> str | dict[str, str]:
    if principal == "*":
        return "*"
    if _SERVICE.fullmatch(principal):
        return {"Service": principal}
    if _ACCOUNT.fullmatch(principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if _IDENTITY.fullmatch(principal):
        return {"AWS": principal}
    raise InvalidParameterValueException(
        "The provided principal was invalid. Please check the principal and try again."
    )


def _check_revision(present: FunctionPolicy | None, expected_revision_id: str | None) -> None:
    if expected_revision_id is not None and (present is None or present.revision_id != expected_revision_id):
        raise PreconditionFailedException(
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetPolicy API to retrieve the latest Revision Id"
        )


def _statements_of(policy: FunctionPolicy | None) -> list[Statement]:
    if policy is None:
        return []
    statements: list[Statement] = json.loads(policy.document)["Statement"]
    return statements


def _render_document(statements: list[Statement]) -> str:
    document = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

"""AddPermission, RemovePermission and GetPolicy: the resource policy of a function, a version or an alias.

What the documents look like is in `permissions`. Here are the errors that depend on what exists.

Source: AWS Lambda API Reference; texts as recorded in reference/lambda.md section 6.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from velvetrope.clock import Entropy
from velvetrope.functions.errors import InvalidParameterValueException, ResourceNotFoundException
from velvetrope.functions.names import FunctionReference, parse_function_name
from velvetrope.functions.permissions import (
    Statement,
    add_statement,
    build_statement,
    remove_statement,
    render_statement,
)
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.policy import MalformedPolicy, PolicyPrincipals, parse_policy
from velvetrope.store.tables.functions import LATEST, FunctionPolicy, FunctionStore

__all__ = ["PermissionOperations"]


@dataclass(frozen=True, slots=True)
class PermissionOperations:
    """Who else may use a function."""

    store: FunctionStore
    principals: PolicyPrincipals
    entropy: Entropy
    knows_action: Callable[[str], bool]

    @operation
    async def add_permission(
        self,
        call: Call,
        *,
        function_name: str,
        statement_id: str,
        action: str,
        principal: str,
        source_arn: str | None = None,
        source_account: str | None = None,
        event_source_token: str | None = None,
        qualifier: str | None = None,
        revision_id: str | None = None,
        principal_org_id: str | None = None,
        function_url_auth_type: str | None = None,
        invoked_via_function_url: bool | None = None,
    ) -> Answer:
        reference = parse_function_name(function_name, qualifier, account_id=call.account_id, region=call.region)
        if reference.qualifier == LATEST:
            raise InvalidParameterValueException("We currently do not support adding policies for $LATEST.")
        if action not in {"*", "lambda:*"} and not (action.startswith("lambda:") and self.knows_action(action)):
            # UNVERIFIED: AWS's exact words. It checks the pattern of the name for certain; a name that nobody has would
            # be a permission that is never of use.
            raise InvalidParameterValueException(f"The action {action} is not an action of Lambda.")
        if function_url_auth_type is not None and action != "lambda:InvokeFunctionUrl":
            raise InvalidParameterValueException(
                "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
            )
        if invoked_via_function_url is not None and action != "lambda:InvokeFunction":
            # UNVERIFIED: AWS's exact words, after those for its sibling.
            raise InvalidParameterValueException(
                "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action"
            )
        await self._check_exists(reference)
        statement = build_statement(
            reference,
            statement_id=statement_id,
            action=action,
            principal=principal,
            source_arn=source_arn,
            source_account=source_account,
            event_source_token=event_source_token,
            principal_org_id=principal_org_id,
            function_url_auth_type=function_url_auth_type,
            invoked_via_function_url=invoked_via_function_url,
        )
        pinned = await self._pinned(call, statement)
        new_revision_id = new_uuid(self.entropy)

        def change(present: FunctionPolicy | None) -> FunctionPolicy:
            changed = add_statement(
                present,
                pinned,
                function_arn=reference.arn,
                qualifier=reference.qualifier,
                new_revision_id=new_revision_id,
                expected_revision_id=revision_id,
            )
            _check_document(changed.document)
            return changed

        await self.store.change_policy(reference.arn, reference.qualifier, change)
        return {"statement": render_statement(statement)}

    @operation
    async def remove_permission(
        self,
        call: Call,
        *,
        function_name: str,
        statement_id: str,
        qualifier: str | None = None,
        revision_id: str | None = None,
    ) -> Answer:
        reference = parse_function_name(function_name, qualifier, account_id=call.account_id, region=call.region)
        if await self.store.load_function(reference.arn) is None:
            raise ResourceNotFoundException(f"No policy found for: {reference.qualified_arn}")
        new_revision_id = new_uuid(self.entropy)

        def change(present: FunctionPolicy | None) -> FunctionPolicy | None:
            return remove_statement(
                present, statement_id, new_revision_id=new_revision_id, expected_revision_id=revision_id
            )

        await self.store.change_policy(reference.arn, reference.qualifier, change)
        return None

    @operation
    async def get_policy(self, call: Call, *, function_name: str, qualifier: str | None = None) -> Answer:
        reference = parse_function_name(function_name, qualifier, account_id=call.account_id, region=call.region)
        policy = await self.store.load_policy(reference.arn, reference.qualifier)
        if policy is None:
            raise ResourceNotFoundException("The resource you requested does not exist.")
        document = await self.principals.show(call.account_id, policy.document)
        return {"policy": document, "revision_id": policy.revision_id}

    async def _pinned(self, call: Call, statement: Statement) -> Statement:
        """The statement as it is kept: roles and users by unique id (`policy.named_principals`)."""
        try:
            document = await self.principals.pin(call.account_id, json.dumps({"Statement": statement}))
        except MalformedPolicy as err:
            raise InvalidParameterValueException(
                "The provided principal was invalid. Please check the principal and try again.", detail=err.message
            ) from err
        pinned: Statement = json.loads(document)["Statement"]
        return pinned

    async def _check_exists(self, reference: FunctionReference) -> None:
        if await self.store.load_target(reference.arn, reference.qualifier) is not None:
            return
        is_alias = reference.qualifier and not reference.qualifier.isdecimal()
        if is_alias and await self.store.load_function(reference.arn) is not None:
            raise ResourceNotFoundException(f"Cannot find alias arn: {reference.qualified_arn}")
        raise ResourceNotFoundException(f"Function not found: {reference.qualified_arn}")


def _check_document(document: str) -> None:
    """Refuse what could not be evaluated: it would be read as denying everything."""
    try:
        parse_policy(document, kind="resource")
    except MalformedPolicy as err:
        raise InvalidParameterValueException(err.message, detail=err.detail) from err

"""PutFunctionConcurrency, GetFunctionConcurrency and DeleteFunctionConcurrency: how much of a function may run at once.

The number belongs to the function with all its versions, and is a limit only: nothing is started ahead for it. At 0 the
function cannot be invoked at all.

What all functions may run at once is what the server was given (`--max-sandboxes`), not Lambda's 1,000. Of those 1,000
Lambda keeps 100 for functions without a reservation; we keep the same tenth of ours.

Source: AWS Lambda Developer Guide, "Configuring reserved concurrency for a function"; text as recorded in
reference/lambda.md section 9.
"""

from dataclasses import dataclass

import msgspec

from velvetrope.functions.errors import InvalidParameterValueException, ResourceNotFoundException
from velvetrope.functions.names import parse_function_name
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.functions import Function, FunctionStore

__all__ = ["ConcurrencyOperations"]

_KEPT = 10
"""One part in so many cannot be reserved. Source: "Configuring reserved concurrency", 100 of 1,000."""

_ALL = 100_000


@dataclass(frozen=True, slots=True)
class ConcurrencyOperations:
    """Reserved concurrency."""

    store: FunctionStore
    account_concurrency: int
    """How many invocations all functions together may have under way."""

    @operation
    async def put_function_concurrency(
        self, call: Call, *, function_name: str, reserved_concurrent_executions: int
    ) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        functions = await self.store.load_functions(call.account_id, call.region, after_name="", limit=_ALL)
        reserved = {f.latest.function_arn: f.reserved_concurrency or 0 for f in functions}
        # One that is lowered is so even where the server was given less since.
        more = reserved_concurrent_executions - reserved.get(reference.arn, 0)
        minimum = self.account_concurrency // _KEPT
        if more > 0 and self.account_concurrency - sum(reserved.values()) - more < minimum:
            raise InvalidParameterValueException(
                "Specified ReservedConcurrentExecutions for function decreases account's "
                f"UnreservedConcurrentExecution below its minimum value of [{minimum}]."
            )
        await self._change(reference.arn, reserved_concurrent_executions)
        return {"reserved_concurrent_executions": reserved_concurrent_executions}

    @operation
    async def get_function_concurrency(self, call: Call, *, function_name: str) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        function = await self.store.load_function(reference.arn)
        if function is None:
            raise ResourceNotFoundException(f"Function not found: {reference.arn}")
        return {"reserved_concurrent_executions": function.reserved_concurrency}

    @operation
    async def delete_function_concurrency(self, call: Call, *, function_name: str) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        await self._change(reference.arn, None)
        return None

    async def _change(self, function_arn: str, reserved: int | None) -> None:
        def change(function: Function) -> Function:
            return msgspec.structs.replace(function, reserved_concurrency=reserved)

        if await self.store.change_function(function_arn, change) is None:
            raise ResourceNotFoundException(f"Function not found: {function_arn}")

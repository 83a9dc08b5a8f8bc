"""GetAccountSettings and GetFunctionCodeSigningConfig: what an account may use and uses, and that nothing is signed.

Limits of code are Lambda's own; the limit of concurrency is the server's (`concurrency_operations`). There is no code
signing here, so that no function has a configuration for it; tools that read a function's whole state ask for one.

Source: AWS Lambda API Reference; Lambda quotas (75 GB of code).
"""

from dataclasses import dataclass

from velvetrope.functions.code import MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES
from velvetrope.functions.errors import ResourceNotFoundException
from velvetrope.functions.names import parse_function_name
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.function_layers import LayerStore
from velvetrope.store.tables.functions import LATEST, FunctionStore

__all__ = ["AccountOperations"]

TOTAL_CODE_BYTES = 80_530_636_800
_MANY = 1000


@dataclass(frozen=True, slots=True)
class AccountOperations:
    """The account as a whole."""

    store: FunctionStore
    layers: LayerStore
    account_concurrency: int
    """How many invocations all functions together may have under way."""

    @operation
    async def get_account_settings(self, call: Call) -> Answer:
        configurations = await self.store.load_all_configurations()
        reserved, after = 0, ""
        while True:
            functions = await self.store.load_functions(call.account_id, call.region, after_name=after, limit=_MANY)
            reserved += sum(function.reserved_concurrency or 0 for function in functions)
            if len(functions) < _MANY:
                break
            after = functions[-1].latest.function_name
        code_bytes = sum(configuration.code_size_bytes for configuration in configurations)
        return {
            "account_limit": {
                "total_code_size": TOTAL_CODE_BYTES,
                "code_size_unzipped": MAX_UNZIPPED_BYTES,
                "code_size_zipped": MAX_ZIPPED_BYTES,
                "concurrent_executions": self.account_concurrency,
                "unreserved_concurrent_executions": max(0, self.account_concurrency - reserved),
            },
            "account_usage": {
                "total_code_size": code_bytes + await self.layers.count_code_bytes(),
                "function_count": sum(configuration.version == LATEST for configuration in configurations),
            },
        }

    @operation
    async def get_function_code_signing_config(self, call: Call, *, function_name: str) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        if await self.store.load_function(reference.arn) is None:
            raise ResourceNotFoundException(f"Function not found: {reference.arn}")
        return {"function_name": reference.name}

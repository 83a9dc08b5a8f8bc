"""TagResource, UntagResource and ListTags, for functions. Versions and aliases have no tags.

Source: AWS Lambda API Reference.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from velvetrope.functions.errors import InvalidParameterValueException, ResourceNotFoundException
from velvetrope.functions.names import parse_function_name
from velvetrope.functions.tags import with_tags
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.functions import Function, FunctionStore

__all__ = ["TagOperations"]


@dataclass(frozen=True, slots=True)
class TagOperations:
    """The tags of a function, by its ARN."""

    store: FunctionStore

    @operation
    async def tag_resource(self, call: Call, *, resource: str, tags: dict[str, str]) -> Answer:
        await self._change(resource, call, lambda present: with_tags(present, tags))
        return None

    @operation
    async def untag_resource(self, call: Call, *, resource: str, tag_keys: list[str]) -> Answer:
        await self._change(resource, call, lambda present: {k: v for k, v in present.items() if k not in tag_keys})
        return None

    @operation
    async def list_tags(self, call: Call, *, resource: str) -> Answer:
        function_arn = _parse_resource(resource, call)
        function = await self.store.load_function(function_arn)
        if function is None:
            raise ResourceNotFoundException(f"Function not found: {function_arn}")
        return {"tags": dict(function.tags)}

    async def _change(self, resource: str, call: Call, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        def change_function(function: Function) -> Function:
            return msgspec.structs.replace(function, tags=change(function.tags))

        function_arn = _parse_resource(resource, call)
        if await self.store.change_function(function_arn, change_function) is None:
            raise ResourceNotFoundException(f"Function not found: {function_arn}")


def _parse_resource(resource: str, call: Call) -> str:
    if ":function:" not in resource:
        raise InvalidParameterValueException(f"Tags of {resource} are not supported here; only functions have them.")
    reference = parse_function_name(resource, account_id=call.account_id, region=call.region)
    if reference.qualifier:
        # UNVERIFIED: AWS's exact words.
        raise InvalidParameterValueException("Tags on function aliases and versions are not supported.")
    return reference.arn

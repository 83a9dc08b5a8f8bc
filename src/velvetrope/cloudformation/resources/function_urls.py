"""AWS::Lambda::Url and AWS::Lambda::EventInvokeConfig: what a function or an alias of it has besides its configuration.

`Ref` of a URL is the ARN of its function; `FunctionUrl` is its address. `Ref` of an event configuration is the
function's name and the qualifier with a bar between them. A property that is taken out of either is as if it had never
been given.

Source: CloudFormation User Guide, the two types; Lambda API.
"""

from collections.abc import Mapping
from typing import Final

from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, text_member
from velvetrope.cloudformation.schemas import Properties

__all__ = ["FUNCTION_URL_HANDLERS"]

_SERVICE: Final = "lambda"


class UrlHandler:
    """The address of a function."""

    type: Final = "AWS::Lambda::Url"
    properties: Final = frozenset({"AuthType", "Cors", "InvokeMode", "Qualifier", "TargetFunctionArn"})
    attributes: Final = frozenset({"FunctionArn", "FunctionUrl"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        return _url(await at.invoke(_SERVICE, "CreateFunctionUrlConfig", self._input(properties)))

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        parameters = {"Cors": {}, "InvokeMode": "BUFFERED", **self._input(new)}
        return _url(await at.invoke(_SERVICE, "UpdateFunctionUrlConfig", parameters))

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        named = ("FunctionName", "Qualifier")
        key = {member: value for member, value in self._input(properties).items() if member in named}
        await at.invoke_unless_gone(_SERVICE, "DeleteFunctionUrlConfig", key)

    def _input(self, properties: Properties) -> dict[str, object]:
        return {"FunctionName" if name == "TargetFunctionArn" else name: value for name, value in properties.items()}


def _url(answer: Mapping[str, object]) -> Made:
    arn = text_member(answer, "FunctionArn")
    return Made(arn, arn, {"FunctionArn": arn, "FunctionUrl": text_member(answer, "FunctionUrl")})


class EventInvokeConfigHandler:
    """How asynchronous invocations of a function are retried, and who is told of their outcome."""

    type: Final = "AWS::Lambda::EventInvokeConfig"
    properties: Final = frozenset(
        {"DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"}
    )
    attributes: Final[frozenset[str]] = frozenset()
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        await at.invoke(_SERVICE, "PutFunctionEventInvokeConfig", dict(properties))
        name = f"{properties['FunctionName']}|{properties['Qualifier']}"
        return Made(name, name)

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        # Put replaces the whole.
        await at.invoke(_SERVICE, "PutFunctionEventInvokeConfig", dict(new))
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        key = {member: properties[member] for member in ("FunctionName", "Qualifier")}
        await at.invoke_unless_gone(_SERVICE, "DeleteFunctionEventInvokeConfig", key)


FUNCTION_URL_HANDLERS: Final[tuple[ResourceHandler, ...]] = (UrlHandler(), EventInvokeConfigHandler())

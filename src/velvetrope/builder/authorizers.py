"""Authorizers that are functions of the app: who may call is for its own code to say.

    @api.token_authorizer(header="X-Token")
    def doorman(event, context):
        return allow(event, "alice") if event["authorizationToken"] == "open" else deny(event, "nobody")

    @api.get("/inside", authorization_type="CUSTOM", authorizer=doorman)
    def inside(): ...

The decorated function becomes an `Authorizer`, which is a Lambda handler (`app.doorman`) in a function of its own; what
it gets and gives is API Gateway's own event and answer. Raising `Exception("Unauthorized")` is 401. `allow` and `deny`
make an answer about the one method that was called. Answers are not kept unless `cache_seconds` says so: a kept one is
used for every method that asks the authorizer, and then must be about them all.

Source: API Gateway Developer Guide, "Use API Gateway Lambda authorizers": input and output.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from velvetrope.builder.declared import check_handler

__all__ = ["Authorizer", "allow", "deny"]

Decide = Callable[[dict[str, Any], object], dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Authorizer:
    """A function that decides about callers. Calling it is what Lambda does."""

    kind: Literal["TOKEN", "REQUEST"]
    decide: Decide
    headers: tuple[str, ...]
    query_strings: tuple[str, ...]
    validation_expression: str | None
    cache_seconds: int

    def __post_init__(self) -> None:
        check_handler("an authorizer", self.decide)

    def __call__(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        """The Lambda handler: API Gateway's authorizer event in, a policy out."""
        return self.decide(event, context)


def allow(
    event: Mapping[str, Any], principal_id: str, *, context: Mapping[str, str | int | float | bool] | None = None
) -> dict[str, Any]:
    """Let `principal_id` call the method that `event` is about. `context` is handed on to it."""
    return _answer(event, principal_id, "Allow", context)


def deny(event: Mapping[str, Any], principal_id: str) -> dict[str, Any]:
    """Refuse `principal_id` the method that `event` is about: 403."""
    return _answer(event, principal_id, "Deny", None)


def _answer(
    event: Mapping[str, Any],
    principal_id: str,
    effect: Literal["Allow", "Deny"],
    context: Mapping[str, str | int | float | bool] | None,
) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    answer: dict[str, Any] = {
        "principalId": principal_id,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }
    return answer if context is None else {**answer, "context": dict(context)}

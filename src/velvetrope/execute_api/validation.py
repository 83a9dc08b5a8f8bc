"""Request validators: required parameters, and a body that is what its model says.

Parameters are checked first, all at once; then the body, by the model of its media type (`application/json` without
one). A body of a media type that has no model is not checked. Models are JSON Schema draft 4 and may refer to other
models of their API; what cannot be followed lets no body pass.

What a caller hears of a bad body is `Invalid request body`; `$context.error.validationErrorString` has more for gateway
responses, and the decision record names the keyword that failed and where, never a value.

Sources: API Gateway Developer Guide, "Request validation for REST APIs in API Gateway", for texts and the order
captures of AWS. UNVERIFIED: an empty body is checked as `{}`; the wording of `validationErrorString`."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from velvetrope.events import query_parameters
from velvetrope.execute_api.errors import ApiConfiguration, BadRequestBody, BadRequestParameters
from velvetrope.execute_api.model_patterns import MOST_STEPS, MOST_STEPS_AT_ONCE, ModelPatterns, matching_at_most
from velvetrope.execute_api.requests import MatchedRequest
from velvetrope.patterns import PatternRefused, TooMuchToMatch
from velvetrope.store.tables.apigateway import Method, RestApi

if TYPE_CHECKING:
    from jsonschema import Draft4Validator

__all__ = ["RequestValidation", "compile_validation"]

_PARAMETER = re.compile(r"method\.request\.(?P<place>header|querystring|path)\.(?P<name>.+)")
_MODEL = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/]+/models/(?P<name>[A-Za-z0-9]+)(?![A-Za-z0-9])")
_ORDER = ("header", "path", "querystring")
_MAX_ERRORS = 10
_MAX_ERROR_CHARACTERS = 256
_LONG_BODY_BYTES = 65_536
"""From here on checking takes so long that others would wait for it: it is done in a thread."""


@dataclass(frozen=True)
class RequestValidation:
    """What one method asks of its requests, compiled."""

    required: tuple[tuple[str, str], ...]
    """(place, name) in the order in which AWS lists them."""
    models: Mapping[str, "BodyModel"]
    """By media type in lower case; empty if bodies are not checked."""

    async def check(self, request: MatchedRequest) -> None:
        """That `request` is as its method wants it.

        Raises:
            BadRequestParameters: required parameters are missing or blank.
            BadRequestBody: the body is not what its model says.
        """
        missing = [name for place, name in self.required if not _value(request, place, name).strip()]
        if missing:
            text = f"Missing required request parameters: [{', '.join(missing)}]"
            raise BadRequestParameters(text, step="request validation", detail=text)
        if not self.models:
            return
        content_type = request.headers.get(b"content-type", b"").decode("latin-1")
        model = self.models.get(content_type.split(";", 1)[0].strip().lower() or "application/json")
        if model is None:
            return
        body = request.incoming.body
        if len(body) < _LONG_BODY_BYTES:
            try:
                model.check(body, MOST_STEPS_AT_ONCE)
            except TooMuchToMatch:
                pass
            else:
                return
        try:
            await asyncio.to_thread(model.check, body, MOST_STEPS)
        except TooMuchToMatch as finding:
            raise BadRequestBody(
                step="request validation", detail=finding.message, validation_error=f"[{finding.message}]"
            ) from None


def _value(request: MatchedRequest, place: str, name: str) -> str:
    if place == "header":
        return request.headers.get(name.lower().encode(), b"").decode("latin-1")
    if place == "path":
        return request.path_parameters.get(name, "")
    return dict(query_parameters(request.incoming.query_string.decode("latin-1"))).get(name, "")


class BodyModel:
    """A model that bodies are held against."""

    def __init__(self, name: str, schemas: Mapping[str, str]) -> None:
        self._name = name
        self._schemas = schemas
        self._validator: Draft4Validator | None = None

    def check(self, body: bytes, most_steps: int) -> None:
        """That `body` is what the model says, found out with so many steps of patterns.

        Raises:
            BadRequestBody: it is not.
            ApiConfiguration: the model cannot be understood.
            TooMuchToMatch: the patterns would take more.
        """
        if self._validator is None:
            self._validator = _make_validator(self._name, self._schemas)
        try:
            document: object = msgspec.json.decode(body) if body.strip() else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._refusal("it is not JSON", "[the body is not JSON]") from None
        found = []
        places = []
        with matching_at_most(most_steps):
            for place, keyword, message in _errors(self._validator, document):
                found.append(message)
                places.append(f"{place} by {keyword}")
        if found:
            raise self._refusal("; ".join(places), f"[{', '.join(found)}]")

    def _refusal(self, why: str, validation_error: str) -> BadRequestBody:
        return BadRequestBody(
            step="request validation",
            detail=f"the body is not a {self._name}: {why}",
            validation_error=validation_error,
        )


def compile_validation(method: Method, api: RestApi) -> RequestValidation | None:
    """What `method` asks of its requests; None for nothing."""
    validator = api.request_validators.get(method.request_validator_id or "")
    if validator is None:
        return None
    required = []
    if validator.validate_request_parameters:
        for parameter, is_required in method.request_parameters.items():
            found = _PARAMETER.fullmatch(parameter)
            if is_required and found is not None:
                required.append((found["place"], found["name"]))
    schemas = {name: model.schema for name, model in api.models.items()}
    # `Empty` and `Error` exist in every API; see "Models and mapping templates" in the developer guide.
    schemas.setdefault("Empty", "{}")
    models = {}
    if validator.validate_request_body:
        for media_type, name in method.request_models.items():
            models[media_type.lower()] = BodyModel(name, schemas)
    if not required and not models:
        return None
    return RequestValidation(tuple(sorted(required, key=lambda one: _ORDER.index(one[0]))), models)


def _make_validator(name: str, schemas: Mapping[str, str]) -> "Draft4Validator":
    from jsonschema import Draft4Validator, FormatChecker, SchemaError
    from jsonschema.validators import extend
    from referencing import Registry
    from referencing.jsonschema import DRAFT4

    try:
        schema: Any = msgspec.json.decode(schemas[name])
        Draft4Validator.check_schema(schema, format_checker=FormatChecker(formats=()))  # patterns are ECMA 262's
        # Whichever API a reference names, the model is this one's: models know no other.
        known = [
            (found[0], DRAFT4.create_resource(msgspec.json.decode(schemas[found["name"]])))
            for text in schemas.values()
            for found in _MODEL.finditer(text)
            if found["name"] in schemas
        ]
    except (KeyError, msgspec.DecodeError, SchemaError, RecursionError) as error:
        raise ApiConfiguration(
            step="request validation", detail=f"the model {name} cannot be understood: {type(error).__name__}"
        ) from None
    linear = extend(Draft4Validator, {"uniqueItems": _unique_items, **ModelPatterns().keywords})
    # mypy knows neither the class that `extend` makes nor its registry; it is a Draft4Validator.
    made: Draft4Validator = linear(schema, registry=Registry().with_resources(known))
    return made


def _errors(validator: "Draft4Validator", document: object) -> Iterator[tuple[str, str, str]]:
    """(place, keyword, message) of the first things that are wrong."""
    from referencing.exceptions import Unresolvable

    try:
        for count, error in enumerate(validator.iter_errors(document)):
            if count == _MAX_ERRORS:
                return
            yield error.json_path[:_MAX_ERROR_CHARACTERS], str(error.validator), error.message[:_MAX_ERROR_CHARACTERS]
    except PatternRefused as refused:
        raise ApiConfiguration(step="request validation", detail=f"a pattern of the model: {refused.message}") from None
    except (Unresolvable, RecursionError) as failure:
        yield "$", type(failure).__name__, "the model cannot be followed"


def _unique_items(validator: object, wanted: object, instance: object, schema: object) -> Iterator[Any]:
    """`uniqueItems` in one pass: the library compares each element with each other one."""
    from jsonschema import ValidationError

    del validator, schema
    if not wanted or not isinstance(instance, list):
        return
    seen = {msgspec.json.encode(one, order="sorted") for one in instance}
    if len(seen) != len(instance):
        yield ValidationError("array has elements that are not unique")

"""Schemas of a document and the models that they become.

A schema under `definitions` or `components.schemas` becomes the model of that name. One that stands in a body or a
response becomes a model too, named after its content, so that the same document gives the same names again. References
between schemas become references between models; one that leads elsewhere in the document is written out.
"""

import hashlib
import json

from velvetrope.apigateway.errors import BadRequestException
from velvetrope.apigateway.model_schemas import model_reference
from velvetrope.apigateway.openapi.members import Source

__all__ = ["Schemas"]

_PREFIXES = ("#/definitions/", "#/components/schemas/")
_MAX_DEPTH = 64


class Schemas:
    """The models of a document for one API, by name, as they are met."""

    def __init__(self, source: Source, rest_api_id: str) -> None:
        self._source = source
        self._rest_api_id = rest_api_id
        self.texts: dict[str, str] = {}
        for name, schema in source.components("schemas").items():
            self.texts[name] = json.dumps(self._converted(schema, f"the schema {name}", _MAX_DEPTH), indent=2)

    def model_of(self, schema: object, where: str) -> str:
        """The name of the model that `schema` is, or becomes."""
        name = self._named(schema)
        if name is not None:
            return name
        text = json.dumps(self._converted(schema, where, _MAX_DEPTH), sort_keys=True)
        made = f"MODEL{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        self.texts[made] = text
        return made

    def _named(self, schema: object) -> str | None:
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        for prefix in _PREFIXES:
            if isinstance(reference, str) and reference.startswith(prefix):
                name = reference.removeprefix(prefix)
                if name not in self._source.components("schemas"):
                    raise BadRequestException(f"Invalid OpenAPI input: the model {name} does not exist")
                return name
        return None

    def _converted(self, value: object, where: str, left: int) -> object:
        if left == 0:
            raise BadRequestException(f"Invalid OpenAPI input: the references of {where} do not end")
        if isinstance(value, dict):
            name = self._named(value)
            if name is not None:
                return {"$ref": model_reference(self._rest_api_id, name)}
            if isinstance(value.get("$ref"), str) and value["$ref"].startswith("#/"):
                return self._converted(self._source.resolved(value, where), where, left - 1)
            return {key: self._converted(one, where, left - 1) for key, one in value.items()}
        if isinstance(value, list):
            return [self._converted(one, where, left - 1) for one in value]
        return value

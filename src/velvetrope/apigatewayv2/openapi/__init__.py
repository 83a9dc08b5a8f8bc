"""OpenAPI 3.0 documents with API Gateway's extensions, as SAM, CDK and people write them, to HTTP APIs and back.

`parse_document` reads the text, `api_of_document` makes of it what the single operations would have made, in place of
everything that the API was before; `render_document` writes a document that makes the same API again. Every member is
either understood, or known to be description only (`summary`, `responses`, `schema` …), or refused by name: a document
that says more about who may call than we do must not become an API that says less.

`$default` is the path `/$default` (SAM writes `$default`) with `x-amazon-apigateway-any-method`. A route has one
security requirement with one scheme; what AWS makes of several is not documented, so they are refused.

Sources: API Gateway Developer Guide, "Use OpenAPI definitions for HTTP APIs", "OpenAPI extensions for API Gateway";
OpenAPI 3.0.3.
"""

from velvetrope.apigatewayv2.openapi.applying import api_of_document
from velvetrope.apigatewayv2.openapi.export import render_document
from velvetrope.apigatewayv2.openapi.parsing import Document, parse_document

__all__ = ["Document", "api_of_document", "parse_document", "render_document"]

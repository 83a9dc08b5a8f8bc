"""OpenAPI 3.0 and Swagger 2.0 documents with API Gateway's extensions: into an API, and out of one.

    document = parse_document(body, base_path="ignore")      # read and understood, or refused by name
    api = apply_document(api, document, overwrite=True, new_id=...)
    text = render_document(deployment.rest_api, "oas30", extensions={"apigateway"}, ...)

`members` reads JSON and YAML and refuses what is not known; `security`, `schemas`, `operations` and `parsing`
understand one part each; `applying` makes methods of it by the same functions as the single operations; `export` is the
way back.

Sources: API Gateway Developer Guide, "OpenAPI extensions for API Gateway", "Develop REST APIs using OpenAPI"; OpenAPI
3.0.3; Swagger 2.0.
"""

from velvetrope.apigateway.openapi.applying import apply_document
from velvetrope.apigateway.openapi.export import ExportTarget, render_document
from velvetrope.apigateway.openapi.parsing import ApiDocument, parse_document

__all__ = ["ApiDocument", "ExportTarget", "apply_document", "parse_document", "render_document"]

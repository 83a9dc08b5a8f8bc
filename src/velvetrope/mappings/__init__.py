"""Mapping templates of API Gateway: Velocity and JSONPath, on data of strangers.

    template = MappingTemplate('{"id": "$input.path(\'$.id\')"}')        # once, with the deployment
    template.render(TemplateInput(body=…, …)).text

Templates are written by an API's author and fed by its callers. They are parsed by a library and evaluated by us, so
that nothing of Python can be reached from one; steps, memory and loops are bounded.

Sources: API Gateway Developer Guide, "Mapping template transformations for REST APIs", "API Gateway mapping template
and access logging variable reference"; Apache Velocity 1.7 User Guide.
"""

from velvetrope.mappings.budget import TemplateFailed
from velvetrope.mappings.json_path import JsonPath, MalformedJsonPath
from velvetrope.mappings.templates import MappingTemplate, RenderedTemplate, TemplateInput
from velvetrope.mappings.velocity import UnsupportedTemplate

__all__ = [
    "JsonPath",
    "MalformedJsonPath",
    "MappingTemplate",
    "RenderedTemplate",
    "TemplateFailed",
    "TemplateInput",
    "UnsupportedTemplate",
]

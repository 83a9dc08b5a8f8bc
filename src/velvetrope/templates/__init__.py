"""CloudFormation and SAM documents: parse, expand, resolve, order.

    template = parse_template(text)                              # YAML or JSON -> typed, every member known
    template = expand_sam(template, region)                      # AWS::Serverless-* -> plain resources
    active = activate(template, parameters=…, pseudo_parameters=…)   # conditions decided, dead branches gone
    check_references(template, active, attributes)               # every name leads somewhere
    for logical_id in order_resources(dependencies(active)): …   # and then `resolve` its properties

That resources can be created is not known here: `cloudformation` does that.
"""

from velvetrope.templates.activation import ActiveTemplate, activate
from velvetrope.templates.document import (
    SERVERLESS_TRANSFORM,
    DeletionPolicy,
    OutputDefinition,
    ParameterDefinition,
    ResourceDefinition,
    Template,
    parse_template,
    template_from_document,
)
from velvetrope.templates.errors import CircularDependency, InvalidParameters, InvalidTemplate, TransformFailed
from velvetrope.templates.loading import load_document
from velvetrope.templates.parameters import ParameterValue, resolve_parameters
from velvetrope.templates.references import (
    Reference,
    check_references,
    dependencies,
    order_resources,
    references_in,
)
from velvetrope.templates.resolving import NO_VALUE, PSEUDO_PARAMETERS, ResourceValues, Scope, resolve
from velvetrope.templates.serverless import expand_sam
from velvetrope.templates.values import UNKNOWN, Unknown, Value, contains_unknown, text_of

__all__ = [
    "NO_VALUE",
    "PSEUDO_PARAMETERS",
    "SERVERLESS_TRANSFORM",
    "UNKNOWN",
    "ActiveTemplate",
    "CircularDependency",
    "DeletionPolicy",
    "InvalidParameters",
    "InvalidTemplate",
    "OutputDefinition",
    "ParameterDefinition",
    "ParameterValue",
    "Reference",
    "ResourceDefinition",
    "ResourceValues",
    "Scope",
    "Template",
    "TransformFailed",
    "Unknown",
    "Value",
    "activate",
    "check_references",
    "contains_unknown",
    "dependencies",
    "expand_sam",
    "load_document",
    "order_resources",
    "parse_template",
    "references_in",
    "resolve",
    "resolve_parameters",
    "template_from_document",
    "text_of",
]

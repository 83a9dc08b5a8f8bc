"""ValidateTemplate and GetTemplateSummary: what a template says about itself.

Form and resource types are checked, functions and properties are not: those need parameter values, and CreateStack
checks them before it answers.

Source: CloudFormation API Reference.
"""

import json
from collections.abc import Mapping

from velvetrope.cloudformation.engine import StackEngine
from velvetrope.cloudformation.errors import ValidationError
from velvetrope.cloudformation.preparing import required_capabilities
from velvetrope.cloudformation.shapes import check_template_size
from velvetrope.operations import Answer, Call, operation
from velvetrope.templates import InvalidTemplate, Template, parse_template

__all__ = ["TemplateOperations"]


class TemplateOperations:
    """The operations on templates that belong to no stack."""

    def __init__(self, engine: StackEngine) -> None:
        self._engine = engine

    @operation
    async def validate_template(self, call: Call, *, template_body: str | None = None) -> Answer:  # noqa: ARG002
        template = self._parse(template_body)
        return {
            **_about(template),
            "parameters": [
                {
                    "parameter_key": one.name,
                    "default_value": one.default,
                    "no_echo": one.no_echo,
                    "description": one.description or None,
                }
                for one in template.parameters.values()
            ],
        }

    @operation
    async def get_template_summary(
        self, call: Call, *, template_body: str | None = None, stack_name: str | None = None
    ) -> Answer:
        if (template_body is None) == (stack_name is None):
            raise ValidationError("Either StackName or TemplateBody must be specified, and not both.")
        if stack_name is not None:
            stack = await self._engine.store.load_stack(call.account_id, call.region, stack_name)
            if stack is None:
                raise ValidationError(f"Stack with id {stack_name} does not exist")
            template_body = self._engine.vault.open_stack(stack).template
        template = self._parse(template_body, limited=stack_name is None)
        metadata = template.document.get("Metadata")
        return {
            **_about(template),
            "parameters": [
                {
                    "parameter_key": one.name,
                    "default_value": one.default,
                    "parameter_type": one.type,
                    "no_echo": one.no_echo,
                    "description": one.description or None,
                    "parameter_constraints": {"allowed_values": list(one.allowed_values)} if one.allowed_values else {},
                }
                for one in template.parameters.values()
            ],
            "resource_types": sorted({one.type for one in template.resources.values()}),
            "version": template.document.get("AWSTemplateFormatVersion"),
            "metadata": None if metadata is None else json.dumps(metadata),
        }

    def _parse(self, text: str | None, *, limited: bool = True) -> Template:
        if text is None:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        if limited:
            check_template_size(text)
        try:
            template = parse_template(text)
        except InvalidTemplate as error:
            raise ValidationError(error.message) from None
        types = {one.type for one in template.resources.values()}
        if template.is_serverless:
            types = {name for name in types if not name.startswith("AWS::Serverless::")}
        unknown = sorted(types - self._engine.catalog.handlers.keys())
        if unknown:
            raise ValidationError(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
        return template


def _about(template: Template) -> Mapping[str, object]:
    capabilities = required_capabilities(template, template)
    identities = sorted({one.type for one in template.resources.values() if one.type.startswith("AWS::IAM::")})
    reason = f"The following resource(s) require capabilities: [{', '.join(identities)}]" if identities else None
    return {
        "description": template.description or None,
        "capabilities": list(capabilities) or None,
        "capabilities_reason": reason,
        "declared_transforms": list(template.transforms) or None,
    }

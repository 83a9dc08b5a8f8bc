"""A template's text and parameter values to something that can be planned: every check that needs no stack.

Also which capabilities a template asks for. `apply` (the developer's own machine) acknowledges all of them; over the
wire they are the caller's to acknowledge.

Source: CloudFormation API Reference, CreateStack (Capabilities, TemplateBody).
"""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from velvetrope.cloudformation.contents import OutputValue, StackContents
from velvetrope.cloudformation.errors import InsufficientCapabilitiesException, ValidationError
from velvetrope.cloudformation.planning import Catalog
from velvetrope.operations import Call
from velvetrope.templates import (
    ActiveTemplate,
    InvalidTemplate,
    ParameterValue,
    Template,
    activate,
    check_references,
    expand_sam,
    parse_template,
)

__all__ = ["MAX_TEMPLATE_BYTES", "Prepared", "check_capabilities", "prepare", "required_capabilities"]

MAX_TEMPLATE_BYTES: Final = 51_200
"""Of a TemplateBody. CloudFormation's larger ones come from S3, which is not here."""
_NAMES: Final = frozenset({"GroupName", "ManagedPolicyName", "RoleName", "UserName"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A template whose references all lead somewhere, with its parameters in place."""

    text: str
    source: Template
    template: Template
    active: ActiveTemplate
    parameters: Mapping[str, str]

    def contents(self, outputs: tuple[OutputValue, ...] = ()) -> StackContents:
        """What a stack made of it holds; the outputs are those of before, until there are others."""
        definitions = self.template.parameters.values()
        return StackContents(
            template=self.text,
            processed=json.dumps(self.template.document),
            parameters=dict(self.parameters),
            effective={one.name: self.parameters.get(one.name, one.default or "") for one in definitions},
            hidden=tuple(one.name for one in definitions if one.no_echo),
            outputs=outputs,
        )


async def prepare(
    text: str,
    parameters: Mapping[str, str],
    *,
    stack_name: str,
    stack_id: str,
    call: Call,
    catalog: Catalog,
    expanding: asyncio.Lock,
) -> Prepared:
    """Parse, expand, activate and check.

    Raises:
        ValidationError: with CloudFormation's sentence.
    """
    try:
        source = parse_template(text)
        template = source
        if source.is_serverless:
            # In a thread, since the first import of the translator takes half a second, in which a server must go on
            # answering; one at a time, since it keeps its region in a class variable.
            async with expanding:
                template = await asyncio.to_thread(expand_sam, source, call.region, parameters)
        active = activate(
            template,
            parameters=parameters,
            pseudo_parameters=_pseudo_parameters(call, stack_name=stack_name, stack_id=stack_id),
        )
        check_references(template, active, catalog.attributes())
    except InvalidTemplate as error:
        raise ValidationError(error.message) from None
    return Prepared(text=text, source=source, template=template, active=active, parameters=dict(parameters))


def _pseudo_parameters(call: Call, *, stack_name: str, stack_id: str) -> dict[str, ParameterValue]:
    return {
        "AWS::AccountId": call.account_id,
        "AWS::NotificationARNs": [],
        "AWS::Partition": "aws",
        "AWS::Region": call.region,
        "AWS::StackId": stack_id,
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": "amazonaws.com",
    }


def required_capabilities(source: Template, template: Template) -> tuple[str, ...]:
    """What a caller has to acknowledge for `source`, which `template` is the expansion of."""
    identities = [one for one in template.resources.values() if one.type.startswith("AWS::IAM::")]
    required: list[str] = []
    if any(_NAMES & one.properties.keys() for one in identities):
        required.append("CAPABILITY_NAMED_IAM")
    elif identities:
        required.append("CAPABILITY_IAM")
    if source.is_serverless:
        required.append("CAPABILITY_AUTO_EXPAND")
    return tuple(required)


def check_capabilities(prepared: Prepared, acknowledged: Collection[str]) -> None:
    """Refuse a template that does more than its caller has acknowledged."""
    held = set(acknowledged)
    if "CAPABILITY_NAMED_IAM" in held:
        held.add("CAPABILITY_IAM")  # the stronger one includes the weaker
    missing = [one for one in required_capabilities(prepared.source, prepared.template) if one not in held]
    if missing:
        raise InsufficientCapabilitiesException(f"Requires capabilities : [{', '.join(missing)}]")

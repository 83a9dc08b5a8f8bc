"""The structures that come in with CloudFormation's operations, and the checks that several operations share."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from velvetrope.cloudformation.contents import StackContents
from velvetrope.cloudformation.errors import ValidationError
from velvetrope.cloudformation.preparing import MAX_TEMPLATE_BYTES
from velvetrope.page_tokens import UnknownPageToken, parse_page_offset

__all__ = [
    "PAGE_SIZE",
    "Parameter",
    "Tag",
    "check_stack_name",
    "check_template_size",
    "page_start",
    "parameter_values",
    "render_parameters",
    "tag_map",
    "template_text",
]

PAGE_SIZE: Final = 100
_STACK_NAME: Final = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One parameter of a request."""

    parameter_key: str
    parameter_value: str | None = None
    use_previous_value: bool = False


class Tag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tag of a request."""

    key: str
    value: str


def check_stack_name(name: str) -> None:
    """A new stack's name: a letter, then letters, digits and hyphens, 128 at the most."""
    if not _STACK_NAME.fullmatch(name):
        raise ValidationError(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )


def check_template_size(text: str) -> None:
    """CloudFormation's limit for a template that comes in the request itself."""
    if len(text.encode()) > MAX_TEMPLATE_BYTES:
        raise ValidationError(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have "
            f"length less than or equal to {MAX_TEMPLATE_BYTES}"
        )


def template_text(template_body: str | None, *, previous: StackContents | None, use_previous: bool) -> str:
    """The template that a request means."""
    if use_previous:
        if template_body is not None:
            raise ValidationError("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
        if previous is None or not previous.template:
            raise ValidationError("There is no previous template to use.")
        return previous.template
    if template_body is None:
        raise ValidationError("Either Template URL or Template Body must be specified.")
    check_template_size(template_body)
    return template_body


def parameter_values(given: Sequence[Parameter], previous: StackContents | None) -> dict[str, str]:
    """The values that a request gives, those of before looked up where it asks for them."""
    values: dict[str, str] = {}
    for parameter in given:
        key = parameter.parameter_key
        if not parameter.use_previous_value:
            values[key] = parameter.parameter_value or ""
            continue
        if parameter.parameter_value:
            raise ValidationError(
                f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true and non empty value "
                "for a parameter"
            )
        if previous is None or key not in previous.effective:
            raise ValidationError(
                f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a parameter key "
                "not in the previous template"
            )
        values[key] = previous.effective[key]
    return values


def tag_map(tags: Sequence[Tag]) -> dict[str, str]:
    """Tags by key."""
    return {tag.key: tag.value for tag in tags}


def page_start(next_token: str | None) -> int:
    """How many entries the earlier pages had. Tokens are that number, and hold nothing of anybody's."""
    try:
        return parse_page_offset(next_token)
    except UnknownPageToken:
        raise ValidationError("NextToken is not valid.") from None


def render_parameters(contents: StackContents) -> list[Mapping[str, str]]:
    """The parameters as they are shown: what says NoEcho is four stars."""
    return [
        {"parameter_key": name, "parameter_value": "****" if name in contents.hidden else value}
        for name, value in contents.effective.items()
    ]

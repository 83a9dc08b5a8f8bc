"""YAML with CloudFormation's short forms to plain data.

`!Ref X` becomes `{"Ref": "X"}`, `!GetAtt A.B` becomes `{"Fn::GetAtt": ["A", "B"]}`, `!Name x` becomes
`{"Fn::Name": x}`: past this file nobody sees a tag. Which functions exist is not decided here, except that a tag which
is no function of CloudFormation's at all is refused.

Refused, as CloudFormation refuses them: aliases (and with them documents that unfold without end), hash merges, the
binary, omap, pairs, set and timestamp tags, and a key that is written twice. Dates are text, so that
`Version: 2012-10-17` means what its writer meant.

Documents are built from libyaml's events and not from its node tree, since the tree's recursion has no limit: fifty
thousand opening brackets would end the process. Here depth is counted.

Source: CloudFormation User Guide, "Template formats" (YAML), "Intrinsic function reference" (short forms).
"""

from collections.abc import Iterator
from typing import Final

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from velvetrope.templates.errors import InvalidTemplate
from velvetrope.templates.values import MAX_DEPTH, Value, too_deep

__all__ = ["load_yaml"]

_SHORT_FORMS: Final = frozenset(
    {"And", "Base64", "Cidr", "Equals", "FindInMap", "ForEach", "GetAZs", "GetAtt", "If", "ImportValue", "Join"}
    | {"Length", "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform"}
)
_TAG: Final = "tag:yaml.org,2002:"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_constructor: Final = SafeConstructor()
_resolver: Final = Resolver()


def load_yaml(text: str) -> Value:
    """The one document in `text`.

    Raises:
        InvalidTemplate: not well-formed, or one of the refused features.
    """
    try:
        events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
        document: Value = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise InvalidTemplate("Template format error: a template is one YAML document.")
                document = _build(next(events), events, MAX_DEPTH)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        raise InvalidTemplate(f"Template format error: YAML not well-formed.{where}") from None
    except (yaml.YAMLError, ValueError):  # ValueError: a number of more digits than Python reads
        raise InvalidTemplate("Template format error: YAML not well-formed.") from None
    return document


def _build(event: yaml.Event, events: Iterator[yaml.Event], left: int) -> Value:
    if left == 0:
        raise too_deep()
    if isinstance(event, yaml.AliasEvent):
        raise InvalidTemplate("Template error: YAML aliases are not allowed in CloudFormation templates")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Value] = []
        while not isinstance(inner := next(events), yaml.SequenceEndEvent):
            items.append(_build(inner, events, left - 1))
        return _tagged(event, items)
    if isinstance(event, yaml.MappingStartEvent):
        return _tagged(event, _mapping(events, left - 1))
    raise InvalidTemplate("Template format error: YAML not well-formed.")


def _mapping(events: Iterator[yaml.Event], left: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    while not isinstance(key_event := next(events), yaml.MappingEndEvent):
        if isinstance(key_event, yaml.AliasEvent):
            raise InvalidTemplate("Template error: YAML aliases are not allowed in CloudFormation templates")
        if not isinstance(key_event, yaml.ScalarEvent) or (key_event.tag or "").startswith("!"):
            raise InvalidTemplate(f"Template format error: a key is not text. {_place(key_event)}")
        # Keys are text whatever they look like: a response's `200:` and a mapping's `true:` are names.
        key = key_event.value
        if key == "<<" and not key_event.style:
            raise InvalidTemplate(f"Template format error: YAML hash merges are not allowed. {_place(key_event)}")
        if key in found:
            raise InvalidTemplate(f"Template format error: Duplicate key {key}. {_place(key_event)}")
        found[key] = _build(next(events), events, left)
    return found


def _scalar(event: yaml.ScalarEvent) -> Value:
    tag: str | None = event.tag
    if tag is not None and tag.startswith("!") and tag != "!":
        return _short_form(tag, event.value, event)
    if tag is None or tag == "!":
        tag = str(_resolver.resolve(yaml.ScalarNode, event.value, event.implicit))  # type: ignore[no-untyped-call]  # the stubs leave it out
    node = yaml.ScalarNode(tag=tag, value=event.value)
    match tag.removeprefix(_TAG):
        case "str" | "timestamp" if event.tag is None or event.tag in ("!", f"{_TAG}str"):
            return str(event.value)
        case "int":
            return int(_constructor.construct_yaml_int(node))
        case "float":
            return float(_constructor.construct_yaml_float(node))
        case "bool":
            return bool(_constructor.construct_yaml_bool(node))
        case "null":
            return None
        case _:
            raise InvalidTemplate(f"Template format error: the YAML tag {tag} is not supported. {_place(event)}")


def _tagged(event: yaml.CollectionStartEvent, value: Value) -> Value:
    tag: str | None = event.tag
    if tag is None or tag in ("!", f"{_TAG}seq", f"{_TAG}map"):
        return value
    if tag.startswith("!"):
        return _short_form(tag, value, event)
    raise InvalidTemplate(f"Template format error: the YAML tag {tag} is not supported. {_place(event)}")


def _short_form(tag: str, value: Value, event: yaml.Event) -> Value:
    name = tag[1:]
    if name in ("Ref", "Condition"):
        return {name: value}
    if name not in _SHORT_FORMS:
        raise InvalidTemplate(f"Template format error: Encountered unsupported tag {tag}. {_place(event)}")
    if name == "GetAtt" and isinstance(value, str):
        # The first dot ends the logical id; attributes have dots of their own (`Outputs.Url`).
        resource, _, attribute = value.partition(".")
        return {"Fn::GetAtt": [resource, attribute]}
    return {f"Fn::{name}": value}


def _place(event: yaml.Event) -> str:
    mark = event.start_mark
    return "" if mark is None else f"(line {mark.line + 1}, column {mark.column + 1})"

"""The intrinsic functions: what `Ref`, `Fn::Sub` and their kin give, in one table.

A `Scope` holds what is already known: parameters, pseudo parameters, mappings, and a way to ask for a
resource's `Ref` and attributes. `resolve` gives a value without functions in it. What the scope answers with UNKNOWN
stays UNKNOWN, and so does every function over it.

`Fn::If` and `AWS::NoValue` are gone before this file runs on resources: `activation.py` picks the branches, because a
branch not taken must not even count as a dependency. Inside conditions only parameters may be asked for.

Every message ends by naming the place, such as `(Resources/Api)`: CloudFormation often does not, and people suffer.

Source: CloudFormation User Guide, "Intrinsic function reference", "Pseudo parameters reference".
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from velvetrope.templates.errors import InvalidTemplate
from velvetrope.templates.parameters import ParameterValue
from velvetrope.templates.values import UNKNOWN, Unknown, Value, contains_unknown, text_of

__all__ = [
    "NO_VALUE",
    "PSEUDO_PARAMETERS",
    "ResourceValues",
    "Scope",
    "function_call",
    "resolve",
    "substitutions",
]

NO_VALUE: Final = "AWS::NoValue"
PSEUDO_PARAMETERS: Final = frozenset(
    {
        "AWS::AccountId",
        "AWS::NotificationARNs",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackId",
        "AWS::StackName",
        "AWS::URLSuffix",
    }
)
_SUBSTITUTION: Final = re.compile(r"\$\{(!?)([^}]*)\}")
_DYNAMIC_REFERENCE: Final = "{{resolve:"


class ResourceValues(Protocol):
    """Answers for the resources of a stack."""

    def reference(self, logical_id: str) -> str | Unknown:
        """What `Ref` gives for it."""
        ...

    def attribute(self, logical_id: str, name: str) -> Value:
        """What `Fn::GetAtt` gives for it."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """What functions may draw on. `resources` is None where no resource may be named, as in conditions."""

    pseudo_parameters: Mapping[str, ParameterValue]
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    mappings: Mapping[str, Mapping[str, Mapping[str, Value]]] = field(default_factory=dict)
    resources: ResourceValues | None = None


def function_call(value: Value) -> tuple[str, Value] | None:
    """The function that a map of one key (`Ref` or `Fn::…`) calls, and its argument; None for plain data."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" or name.startswith("Fn::"):
            return name, argument
    return None


def substitutions(text: str) -> Iterator[str]:
    """The names that `Fn::Sub` would replace in `text`: `Name`, `Resource.Attribute`. `${!Literal}` is none."""
    for match in _SUBSTITUTION.finditer(text):
        if not match[1]:
            yield match[2].strip()


def resolve(value: Value, scope: Scope, *, where: str) -> Value:
    """`value` with its functions carried out. `where` names the place for messages, such as `Resources/Api`.

    Raises:
        InvalidTemplate: an unknown function, wrong arguments, or a name that leads nowhere.
    """
    call = function_call(value)
    if call is None:
        return _resolve_plain(value, scope, where)
    name, argument = call
    function = _FUNCTIONS.get(name)
    if function is None:
        raise _unsupported(name, where)
    return function(argument, scope, where)


def _resolve_plain(value: Value, scope: Scope, where: str) -> Value:
    if isinstance(value, dict):
        if functions := [key for key in value if key.startswith("Fn::")]:
            raise InvalidTemplate(f"Template error: {functions[0]} must be the only key of its object ({where})")
        return {key: resolve(item, scope, where=where) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, scope, where=where) for item in value]
    if isinstance(value, str) and _DYNAMIC_REFERENCE in value:
        raise InvalidTemplate(f"Dynamic references ({_DYNAMIC_REFERENCE}…) are not supported by velvetrope ({where})")
    return value


def _unsupported(name: str, where: str) -> InvalidTemplate:
    known = ", ".join(sorted({"Fn::If", *_FUNCTIONS} - {"Ref"}))
    return InvalidTemplate(
        f"Template error: Encountered unsupported function: {name} Supported functions are: [{known}] ({where})"
    )


def _ref(argument: Value, scope: Scope, where: str) -> Value:
    if not isinstance(argument, str) or not argument:
        raise InvalidTemplate(f"Template error: every Ref object must have a single String value ({where})")
    return _named(argument, scope, where)


def _named(name: str, scope: Scope, where: str) -> Value:
    known: ParameterValue | None = scope.pseudo_parameters.get(name)
    if known is None:
        known = scope.parameters.get(name)
    if known is not None:
        return known if isinstance(known, str) else list(known)
    if scope.resources is None or name.startswith("AWS::"):
        raise InvalidTemplate(f"Template format error: Unresolved dependencies [{name}] ({where})")
    return scope.resources.reference(name)


def _get_att(argument: Value, scope: Scope, where: str) -> Value:
    # The short form's text is split where it is read; the long form may be one text too.
    if isinstance(argument, str):
        resource, _, dotted = argument.partition(".")
        argument = [resource, dotted]
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str) or not argument[0]:
        raise _malformed_get_att(where)
    # The attribute may be a function of parameters.
    attribute = resolve(argument[1], scope, where=where)
    if not isinstance(attribute, str) or not attribute:
        raise _malformed_get_att(where)
    return _attribute(argument[0], attribute, scope, where)


def _malformed_get_att(where: str) -> InvalidTemplate:
    return InvalidTemplate(
        "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the "
        f"resource attribute ({where})"
    )


def _attribute(logical_id: str, name: str, scope: Scope, where: str) -> Value:
    if scope.resources is None:
        raise InvalidTemplate(f"Template format error: Unresolved dependencies [{logical_id}] ({where})")
    return scope.resources.attribute(logical_id, name)


def _sub(argument: Value, scope: Scope, where: str) -> Value:
    text: Value
    variables: Value
    if isinstance(argument, list) and len(argument) == 2:
        text, variables = argument
    else:
        text, variables = argument, {}
    if not isinstance(text, str) or not isinstance(variables, dict):
        raise InvalidTemplate(
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a "
            "string as first argument, and an optional second argument to specify a mapping of values to replace in "
            f"the string ({where})"
        )
    given = {name: resolve(item, scope, where=where) for name, item in variables.items()}
    pieces: list[str] = []
    unknown = False
    end = 0
    for match in _SUBSTITUTION.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        if match[1]:
            pieces.append("${" + match[2] + "}")
            continue
        value = _substituted(match[2].strip(), given, scope, where)
        shown = text_of(value)
        if value is UNKNOWN:
            unknown = True
        elif shown is None:
            raise InvalidTemplate(f"Template error: Fn::Sub cannot write {match[2]} into text; it is a list ({where})")
        else:
            pieces.append(shown)
    return UNKNOWN if unknown else "".join([*pieces, text[end:]])


def _substituted(name: str, given: Mapping[str, Value], scope: Scope, where: str) -> Value:
    if name in given:
        return given[name]
    resource, dot, attribute = name.partition(".")
    if dot and not name.startswith("AWS::"):
        return _attribute(resource, attribute, scope, where)
    if not name:
        raise InvalidTemplate(f"Template error: variable names in Fn::Sub syntax must not be empty ({where})")
    return _named(name, scope, where)


def _join(argument: Value, scope: Scope, where: str) -> Value:
    listed = resolve(argument[1], scope, where=where) if isinstance(argument, list) and len(argument) == 2 else None
    delimiter = argument[0] if isinstance(argument, list) and argument else None
    if listed is UNKNOWN and isinstance(delimiter, str):
        return UNKNOWN
    if not isinstance(delimiter, str) or not isinstance(listed, list):
        raise InvalidTemplate(
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of "
            "strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined. "
            f"({where})"
        )
    if contains_unknown(listed):
        return UNKNOWN
    texts = [text_of(item) for item in listed]
    known = [text for text in texts if text is not None]
    if len(known) != len(texts):
        raise InvalidTemplate(f"Template error: every item that Fn::Join joins must be a string ({where})")
    return delimiter.join(known)


def _select(argument: Value, scope: Scope, where: str) -> Value:
    if not isinstance(argument, list) or len(argument) != 2:
        raise _malformed_select(where)
    index, listed = (resolve(item, scope, where=where) for item in argument)
    if index is UNKNOWN or listed is UNKNOWN:
        return UNKNOWN
    position = text_of(index)
    if position is None or not position.isdecimal() or not isinstance(listed, list):
        raise _malformed_select(where)
    if int(position) >= len(listed):
        raise InvalidTemplate(
            f"Template error: Fn::Select  cannot select nonexistent value at index {position} ({where})"
        )
    return listed[int(position)]


def _malformed_select(where: str) -> InvalidTemplate:
    return InvalidTemplate(
        f"Template error: Fn::Select requires a list argument with two elements: an integer index and a list ({where})"
    )


def _split(argument: Value, scope: Scope, where: str) -> Value:
    text = resolve(argument[1], scope, where=where) if isinstance(argument, list) and len(argument) == 2 else None
    delimiter = argument[0] if isinstance(argument, list) and argument else None
    if isinstance(delimiter, str) and delimiter and text is UNKNOWN:
        return UNKNOWN
    if not isinstance(delimiter, str) or not delimiter or not isinstance(text, str):
        raise InvalidTemplate(
            "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string "
            f"to be split or a function that returns a string to be split. ({where})"
        )
    parts: list[Value] = list(text.split(delimiter))
    return parts


def _find_in_map(argument: Value, scope: Scope, where: str) -> Value:
    if not isinstance(argument, list) or len(argument) != 3:
        raise InvalidTemplate(
            "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the "
            f"attribute for return value ({where})"
        )
    resolved = [resolve(item, scope, where=where) for item in argument]
    names = [text for text in map(text_of, resolved) if text is not None]
    if len(names) != 3:
        raise InvalidTemplate(f"Template error: the parameters of Fn::FindInMap must be strings known early ({where})")
    mapping, key, attribute = names
    try:
        found = scope.mappings[mapping][key][attribute]
    except KeyError:
        path = "::".join(names)
        raise InvalidTemplate(f"Template error: Unable to get mapping for {path} ({where})") from None
    return list(found) if isinstance(found, list) else found


def _base64(argument: Value, scope: Scope, where: str) -> Value:
    value = resolve(argument, scope, where=where)
    if value is UNKNOWN:
        return UNKNOWN
    text = text_of(value)
    if text is None:
        raise InvalidTemplate(f"Template error: every Fn::Base64 object must have a String-typed value. ({where})")
    return base64.b64encode(text.encode()).decode()


_FUNCTIONS: Final[Mapping[str, Callable[[Value, Scope, str], Value]]] = MappingProxyType(
    {
        "Ref": _ref,
        "Fn::Base64": _base64,
        "Fn::FindInMap": _find_in_map,
        "Fn::GetAtt": _get_att,
        "Fn::Join": _join,
        "Fn::Select": _select,
        "Fn::Split": _split,
        "Fn::Sub": _sub,
    }
)

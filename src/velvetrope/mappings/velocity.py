"""Velocity templates: parsed by `airspeed`, checked and evaluated here.

The library's own evaluation reaches any attribute of any Python object, so only its parser is used. Its tree is turned
once into closures over the few things that Velocity has; names, methods and operators are those of `values` and
`operators`. `#macro`, `#define`, `#parse`, `#include`, `#evaluate` and `#break` are refused by name when a template is
compiled.

A reference without a value writes itself (`$foo`), with `!` nothing; parts of the request (`$context.…`,
`$stageVariables.…`, `$input.…`) write nothing either way, as on AWS: its own passthrough template writes `"caller": ""`
for a call that is not signed. `null` and `false` are false, all else is true.

Sources: Apache Velocity 1.7 User Guide, Velocity Reference Guide; captures of AWS for parts without a value.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from velvetrope.errors import ReasonError
from velvetrope.mappings.budget import MAX_LOOP_TURNS, Budget, TemplateFailed
from velvetrope.mappings.operators import OPERATORS
from velvetrope.mappings.values import call_method, get_index, get_property, render_value

__all__ = ["Scope", "UnsupportedTemplate", "VelocityTemplate"]

_MAX_TEMPLATE_CHARACTERS = 307_200  # API Gateway quotas: mapping template size
_MAX_NESTED_BRACKETS = 12
_NOT_SUPPORTED = {
    "DefineDefinition": "#define",
    "EvaluateDirective": "#evaluate",
    "IncludeDirective": "#include",
    "MacroCall": "a macro",
    "MacroDefinition": "#macro",
    "ParseDirective": "#parse",
    "UserDefinedDirective": "a directive",
}
_EMPTY_WITHOUT_VALUE = re.compile(r"\$!?\{?(?:context|stageVariables|input)\b")
_UNKNOWN_DIRECTIVE = re.compile(r"#\{?(break|return|literal)\b")


class UnsupportedTemplate(ReasonError):
    """The template is not Velocity, or uses what is not supported here."""


class _Stopped(Exception):
    """`#stop` was met."""


class Scope:
    """One rendering: variables, the text so far, and what may still be spent."""

    __slots__ = ("_given", "_written", "budget", "variables")

    def __init__(self, given: dict[str, object]) -> None:
        """`given` may be read and not be set: `input`, `context`, `stageVariables`, `util`."""
        self._given = given
        self.variables: dict[str, object] = {}
        self.budget = Budget()
        self._written: list[str] = []

    def look_up(self, name: str) -> object:
        return self._given[name] if name in self._given else self.variables.get(name)

    def assign(self, name: str, value: object) -> None:
        if name in self._given:
            raise TemplateFailed(f"${name} cannot be set")
        self.variables[name] = value

    def write(self, text: str) -> None:
        self.budget.claim(len(text))
        self._written.append(text)

    def text(self) -> str:
        return "".join(self._written)

    def aside(self) -> list[str]:
        """Begin to write elsewhere; what was written so far, for `resume`."""
        before, self._written = self._written, []
        return before

    def resume(self, before: list[str]) -> str:
        """Go on with `before`; what was written meanwhile."""
        text, self._written = "".join(self._written), before
        return text


Element = Any
"""A node of the library's tree. The library has no types; each node is known by its class's name."""
Writer = Callable[[Scope], None]
Reader = Callable[[Scope], object]
Follower = Callable[[object, Scope], object]


class VelocityTemplate:
    """A compiled template."""

    __slots__ = ("_write",)

    def __init__(self, text: str) -> None:
        """Compile `text`.

        Raises:
            UnsupportedTemplate: it is not Velocity, or uses what is not supported here.
        """
        self._write = _compile(text)

    def render(self, scope: Scope) -> str:
        """The text.

        Raises:
            TemplateFailed: it cannot be rendered.
        """
        try:
            self._write(scope)
        except _Stopped:
            pass
        except RecursionError:
            raise TemplateFailed("the template nests values too deeply") from None
        return scope.text()


def _compile(text: str) -> Writer:
    import airspeed

    if len(text) > _MAX_TEMPLATE_CHARACTERS:
        raise UnsupportedTemplate(f"the template has {len(text)} characters")
    _check_nesting(text)
    try:
        body = airspeed.TemplateBody("template", text)
        return _block(body.block)
    except airspeed.TemplateSyntaxError as error:
        raise UnsupportedTemplate(f"the template is not Velocity: {error}") from None
    except (airspeed.NoMatch, KeyError, ValueError, RecursionError) as error:
        raise UnsupportedTemplate(f"the template is not Velocity: {type(error).__name__} {error}") from None


def _check_nesting(text: str) -> None:
    """The parser reads a list twice that begins with a reference, so such lists in each other cost it 2^depth."""
    depth = 0
    for bracket in re.finditer(r"\[\s*\$|[\[(]|[\])]", text):
        if bracket[0] in "])":
            depth = max(0, depth - 1)
        else:
            depth += 1
            if depth > _MAX_NESTED_BRACKETS and "$" in bracket[0]:
                raise UnsupportedTemplate(f"brackets are nested more than {_MAX_NESTED_BRACKETS} deep")


# What writes


def _block(block: Element) -> Writer:
    writers = [_writer(child) for child in block.children]
    if len(writers) == 1:
        return writers[0]

    def write(scope: Scope) -> None:
        for one in writers:
            one(scope)

    return write


def _writer(element: Element) -> Writer:
    kind = type(element).__name__
    if kind in _NOT_SUPPORTED:
        raise UnsupportedTemplate(f"mapping templates with {_NOT_SUPPORTED[kind]} are not supported")
    return _WRITERS[kind](element)


def _text(element: Element) -> Writer:
    text: str = element.text
    return lambda scope: scope.write(text)


def _hash(element: Element) -> Writer:
    unknown = _UNKNOWN_DIRECTIVE.match(element.full_text(), element.start)
    if unknown is not None:
        raise UnsupportedTemplate(f"mapping templates with #{unknown[1]} are not supported")
    return _text(element)


def _nothing(_element: Element) -> Writer:
    return lambda _scope: None


def _written_reference(element: Element) -> Writer:
    if element.expression is None:
        itself: str = element.my_text()
        return lambda scope: scope.write(itself)
    read = _reader(element.expression)
    alternate = None if element.alternate is None else _reader(element.alternate.expression)
    text: str = element.my_text()
    instead = "" if element.silent or _EMPTY_WITHOUT_VALUE.match(text) else text

    def write(scope: Scope) -> None:
        value = read(scope)
        if value is None and alternate is not None:
            value = alternate(scope)
        scope.write(instead if value is None else render_value(value, scope.budget))

    return write


def _if(element: Element) -> Writer:
    branches = [(_condition(element.condition), _block(element.block))]
    branches += [(_condition(one.condition), _block(one.block)) for one in element.elseifs]
    otherwise = _block(element.else_block.block) if hasattr(element.else_block, "block") else _nothing(None)

    def write(scope: Scope) -> None:
        for holds, branch in branches:
            scope.budget.step()
            if _is_true(holds(scope)):
                branch(scope)
                return
        otherwise(scope)

    return write


def _set(element: Element) -> Writer:
    name, *below = element.terms
    read = _expression(element.value)

    def write(scope: Scope) -> None:
        scope.budget.step()
        value = read(scope)
        if not below:
            scope.assign(name, value)
            return
        target = scope.look_up(name)
        for part in below[:-1]:
            target = get_property(target, part)
        if not isinstance(target, dict):
            raise TemplateFailed(f"${'.'.join(element.terms)} cannot be set")
        target[below[-1]] = value

    return write


def _foreach(element: Element) -> Writer:
    name: str = element.loop_var_name
    read, write_once = _reader(element.value), _block(element.block)

    def write(scope: Scope) -> None:
        values = _turns(read(scope))
        if len(values) > MAX_LOOP_TURNS:
            raise TemplateFailed(f"a #foreach has more than {MAX_LOOP_TURNS} turns")
        outside = scope.variables
        for index, value in enumerate(values):
            scope.budget.step()
            has_next = index + 1 < len(values)
            own = {
                name: value,
                "velocityCount": index + 1,
                "velocityHasNext": has_next,
                "foreach": {
                    "count": index + 1,
                    "index": index,
                    "hasNext": has_next,
                    "first": index == 0,
                    "last": not has_next,
                },
            }
            hidden = {key: outside[key] for key in own if key in outside}
            outside.update(own)
            write_once(scope)
            for key in own:
                outside.pop(key, None)
            outside.update(hidden)

    return write


def _turns(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return list(value)
    raise TemplateFailed("a #foreach goes through lists and maps")


def _stop(_element: Element) -> Writer:
    def write(_scope: Scope) -> None:
        raise _Stopped

    return write


_WRITERS: dict[str, Callable[[Element], Writer]] = {
    "Comment": _nothing,
    "FallthroughHashText": _hash,
    "ForeachDirective": _foreach,
    "FormalReference": _written_reference,
    "IfDirective": _if,
    "SetDirective": _set,
    "StopDirective": _stop,
    "Text": _text,
}

# What reads


def _reader(element: Element) -> Reader:
    kind = type(element).__name__
    if kind not in _READERS:
        raise UnsupportedTemplate(f"mapping templates with {kind} are not supported")
    return _READERS[kind](element)


def _literal(element: Element) -> Reader:
    value: object = None if type(element).__name__ == "NullLiteral" else element.value
    return lambda _scope: value


def _quoted(element: Element) -> Reader:
    # As it stands: Velocity has no escapes in texts, and patterns like '\\d' count on that.
    value: str = element.my_text()[1:-1]
    return lambda _scope: value


def _interpolated(element: Element) -> Reader:
    import airspeed

    raw: str = element.my_text()[1:-1]
    block = airspeed.Block("template", raw, 0)
    if block.next_text():
        raise UnsupportedTemplate(f"the text {raw[:40]!r} is not Velocity")
    write = _block(block)

    def read(scope: Scope) -> object:
        scope.budget.step()
        before = scope.aside()
        try:
            write(scope)
        finally:
            text = scope.resume(before)
        return text

    return read


def _array(element: Element) -> Reader:
    values = element.values
    if type(values).__name__ == "Range":
        first, last = _reader(values.value1), _reader(values.value2)
        return lambda scope: _range(first(scope), last(scope))
    readers = [_reader(value) for value in getattr(values, "values", ())]
    return lambda scope: [read(scope) for read in readers]


def _range(first: object, last: object) -> list[object]:
    if not isinstance(first, int) or not isinstance(last, int) or abs(last - first) >= MAX_LOOP_TURNS:
        raise TemplateFailed(f"a range has two whole numbers, at most {MAX_LOOP_TURNS} apart")
    return list(range(first, last + 1) if last >= first else range(first, last - 1, -1))


def _map(element: Element) -> Reader:
    pairs = [(_reader(key), _reader(value)) for key, value in element.local_data.items()]

    def read(scope: Scope) -> object:
        made: dict[object, object] = {}
        for key, value in pairs:
            name = key(scope)
            if not isinstance(name, str | int | float):
                raise TemplateFailed("the key of a map is a text or a number")
            made[name] = value(scope)
        return made

    return read


def _not(element: Element) -> Reader:
    read = _reader(element.value)
    return lambda scope: not _is_true(read(scope))


def _condition(element: Element) -> Reader:
    # The library keeps of a condition, and of parentheses, only the bound method of the expression inside.
    return _expression(element.calculate.__self__)


def _expression(element: Element) -> Reader:
    """`a + b * c`: the library gives values and operators in a row."""
    parts = element.expression
    if not isinstance(parts, list):
        return _reader(element)
    operands = [_reader(part) for part in parts[::2]]
    operators = [(part.my_text().strip(), part.precedence) for part in parts[1::2]]
    return _climb(operands, operators)


def _climb(operands: list[Reader], operators: list[tuple[str, int]]) -> Reader:
    if not operators:
        return operands[0]
    # The operator that binds least, and of several the last one, is applied last.
    weakest = max(range(len(operators)), key=lambda at: (operators[at][1], at))
    left = _climb(operands[: weakest + 1], operators[:weakest])
    right = _climb(operands[weakest + 1 :], operators[weakest + 1 :])
    name = operators[weakest][0]
    if name in ("&&", "and"):
        return lambda scope: _is_true(left(scope)) and _is_true(right(scope))
    if name in ("||", "or"):
        return lambda scope: _is_true(left(scope)) or _is_true(right(scope))
    apply = OPERATORS[name]

    def read(scope: Scope) -> object:
        scope.budget.step()
        return apply(left(scope), right(scope), scope.budget)

    return read


def _reference(element: Element) -> Reader:
    if element.expression is None:
        raise UnsupportedTemplate(f"{element.my_text()} names nothing")
    read = _reader(element.expression)
    if element.alternate is None:
        return read
    alternate = _reader(element.alternate.expression)

    def read_or(scope: Scope) -> object:
        value = read(scope)
        return alternate(scope) if value is None else value

    return read_or


def _variable(element: Element) -> Reader:
    """`$name.member.method(arguments)[index]`, read from the front."""
    part = element.part
    name: str = part.name
    followers = [*_calls_and_indexes(part, is_first=True), *_below(element.subexpression)]

    def read(scope: Scope) -> object:
        scope.budget.step()
        value = scope.look_up(name)
        for follow in followers:
            value = follow(value, scope)
        return value

    return read


def _below(sub: Element) -> Iterable[Follower]:
    while sub is not None:
        inner = sub.expression
        if type(inner).__name__ == "ArrayIndex":
            yield _index(inner)
            sub = sub.subexpression
        else:
            yield from _calls_and_indexes(inner.part, is_first=False)
            sub = inner.subexpression


def _calls_and_indexes(part: Element, *, is_first: bool) -> Iterable[Follower]:
    name: str = part.name
    if part.parameters is not None:
        if is_first:
            raise UnsupportedTemplate(f"${name}(…) calls what is no method")
        yield _call(name, part.parameters)
        return
    if not is_first:
        yield lambda value, _scope: get_property(value, name)
    if part.index is not None:
        yield _index(part.index)


def _call(name: str, parameters: Element) -> Follower:
    readers = [_reader(value) for value in getattr(parameters.values, "values", ())]

    def follow(value: object, scope: Scope) -> object:
        scope.budget.step()
        return call_method(value, name, [read(scope) for read in readers], scope.budget)

    return follow


def _index(element: Element) -> Follower:
    read = _reader(element.index)
    return lambda value, scope: get_index(value, read(scope))


def _is_true(value: object) -> bool:
    return value is not None and value is not False


_READERS: dict[str, Callable[[Element], Reader]] = {
    "ArrayLiteral": _array,
    "BooleanLiteral": _literal,
    "DictionaryLiteral": _map,
    "Expression": _expression,
    "FloatingPointLiteral": _literal,
    "FormalReference": _reference,
    "IntegerLiteral": _literal,
    "InterpolatedStringLiteral": _interpolated,
    "NullLiteral": _literal,
    "ParenthesizedExpression": _condition,
    "StringLiteral": _quoted,
    "UnaryOperatorValue": _not,
    "Value": lambda element: _reader(element.expression),
    "VariableExpression": _variable,
}

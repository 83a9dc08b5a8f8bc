"""Style sheets for the classic pages: only the classes that AWS's pages have, and nothing that loads anything.

The sheet is read by a tokenizer of CSS, as a browser reads it, and not by patterns: escapes, comments and strings have
no second meaning then. What is kept and shown is written anew from what was read.

Source: Cognito Developer Guide, "Hosted UI (classic) branding"; W3C CSS Syntax Module Level 3.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from velvetrope.userpools.errors import InvalidParameterException

if TYPE_CHECKING:  # the library is loaded when the first sheet is saved
    from tinycss2.ast import Node, QualifiedRule

__all__ = ["checked_style_sheet"]

_CLASSES: Final = frozenset(
    {
        *("background", "banner", "errorMessage", "idpButton", "idpDescription", "inputField", "label", "legalText"),
        *("logo", "passwordCheck-notValid", "passwordCheck-valid", "redirect", "socialButton", "submitButton"),
        *("textDescription",),
    }
)
_SUFFIX: Final = "-customizable"
_STATES: Final = frozenset({"hover", "focus", "active", "disabled"})
_FUNCTIONS: Final = frozenset(
    {
        *("rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch", "color-mix", "calc", "min", "max"),
        *("clamp", "linear-gradient", "radial-gradient", "repeating-linear-gradient", "conic-gradient", "translate"),
        *("scale", "rotate", "cubic-bezier", "drop-shadow", "blur", "brightness", "contrast", "opacity"),
    }
)
"""What computes a value and loads nothing. A function that is not here is refused: `url` is one, and so is the next."""
_PROPERTY: Final = re.compile(r"[a-z-]+")
"""As all of CSS's are called. What is spelled with escapes may be called anything, and is written without them."""
_REFUSED_PROPERTIES: Final = frozenset({"behavior", "-moz-binding"})


def checked_style_sheet(css: str) -> str:
    """The sheet, as it goes into pages.

    Raises:
        InvalidParameterException: it does more than style what it may. Texts UNVERIFIED.
    """
    from tinycss2 import parse_stylesheet

    rules = parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    sheet = "\n".join(_checked_rule(rule) for rule in rules)
    if "<" in sheet:  # it goes into the page as it is, and must not end the element that it stands in
        raise _refused("< is not allowed.")
    return sheet


def _checked_rule(rule: "Node") -> str:
    if rule.type == "error":
        raise _refused("the style sheet cannot be read.")
    if rule.type != "qualified-rule":
        raise _refused("only plain rules are allowed.")
    qualified: QualifiedRule = rule
    selectors = [_checked_selector(one) for one in _split_at_commas(qualified.prelude)]
    return f"{', '.join(selectors)} {{ {' '.join(_checked_declarations(qualified.content))} }}"


def _split_at_commas(tokens: Iterable["Node"]) -> list[list["Node"]]:
    parts: list[list[Node]] = [[]]
    for token in tokens:
        if token.type == "literal" and token.value == ",":
            parts.append([])
        elif token.type not in {"whitespace", "comment"}:
            parts[-1].append(token)
    return parts


def _checked_selector(tokens: list["Node"]) -> str:
    """`.NAME-customizable`, with a state of it or without."""
    from tinycss2 import serialize

    spelled = str(serialize(tokens))
    words = [(token.type, token.value) for token in tokens if token.type in {"literal", "ident"}]
    if len(words) == len(tokens):
        match words:
            case [("literal", "."), ("ident", name), *state] if _may_be_styled(name):
                match state:
                    case [] | [("literal", ":"), ("ident", "hover" | "focus" | "active" | "disabled")]:
                        return spelled
    raise _refused(f"the selector {spelled} is not allowed.")


def _may_be_styled(name: str) -> bool:
    return name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX) in _CLASSES


def _checked_declarations(content: list["Node"]) -> list[str]:
    from tinycss2 import parse_blocks_contents, serialize

    said = []
    for declaration in parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if declaration.type != "declaration":
            raise _refused("the style sheet cannot be read.")
        name = declaration.lower_name
        if not _PROPERTY.fullmatch(name) or name in _REFUSED_PROPERTIES or name.startswith("--"):
            raise _refused(f"the property {declaration.name} is not allowed.")
        _check_value(declaration.value)
        important = " !important" if declaration.important else ""
        said.append(f"{name}:{serialize(declaration.value).rstrip()}{important};")
    return said


def _check_value(tokens: Iterable["Node"]) -> None:
    for token in tokens:
        match token.type:
            case "function":
                if token.lower_name not in _FUNCTIONS:
                    raise _refused(f"{token.name}() is not allowed, and nothing that loads anything.")
                _check_value(token.arguments)
            case "() block":
                _check_value(token.content)
            case "string":
                if "<" in token.value:
                    raise _refused("a text may not hold a tag.")
            case "ident" | "dimension" | "number" | "percentage" | "hash" | "whitespace" | "comment":
                pass
            case "literal":
                if token.value not in {",", "/", "+", "-", "*"}:
                    raise _refused(f"{token.value} is not allowed in a value.")
            case _:
                raise _refused("only plain rules are allowed, and none that loads anything.")


def _refused(why: str) -> InvalidParameterException:
    return InvalidParameterException(f"CSS: {why}")

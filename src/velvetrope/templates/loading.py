"""Text of a template to plain data: JSON here, YAML in `yaml_documents.py`.

Past this file nobody sees which of the two it was. Refused: a key that is written twice (JSON would let the last one
win), and documents nested deeper than `MAX_DEPTH`.

YAML is imported when the first YAML template comes, since reading it takes longer to import than to do, and a server
that starts with an app is handed JSON.

Source: CloudFormation User Guide, "Template formats".
"""

import json

from velvetrope.templates.errors import InvalidTemplate
from velvetrope.templates.values import MAX_DEPTH, Value, too_deep

__all__ = ["load_document"]


def load_document(text: str) -> dict[str, Value]:
    """The document as a map of plain values.

    Raises:
        InvalidTemplate: not well-formed, one of the refused features, or no map at its top.
    """
    stripped = text.lstrip("\ufeff \t\r\n")
    document = _load_json(stripped) if stripped.startswith("{") else _load_yaml(text)
    if not isinstance(document, dict):
        raise InvalidTemplate("Template format error: unsupported structure.")
    return document


def _load_json(text: str) -> Value:
    def unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key, value in pairs:
            if key in found:
                raise InvalidTemplate(f"Template format error: Duplicate key {key} in the template.")
            found[key] = value
        return found

    def constant(name: str) -> Value:
        raise InvalidTemplate(f"Template format error: JSON not well-formed. ({name} is not a JSON value)")

    try:
        loaded: Value = json.loads(text, object_pairs_hook=unique, parse_constant=constant)
    except json.JSONDecodeError as error:
        where = f"(line {error.lineno}, column {error.colno})"
        raise InvalidTemplate(f"Template format error: JSON not well-formed. {where}") from None
    except ValueError:  # a number of more digits than Python reads
        raise InvalidTemplate("Template format error: JSON not well-formed.") from None
    except RecursionError:
        raise too_deep() from None
    _check_depth(loaded, MAX_DEPTH)
    return loaded


def _check_depth(value: Value, left: int) -> None:
    if left == 0:
        raise too_deep()
    if isinstance(value, dict):
        for item in value.values():
            _check_depth(item, left - 1)
    elif isinstance(value, list):
        for item in value:
            _check_depth(item, left - 1)


def _load_yaml(text: str) -> Value:
    from velvetrope.templates.yaml_documents import load_yaml

    return load_yaml(text)

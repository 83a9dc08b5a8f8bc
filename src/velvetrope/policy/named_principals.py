"""The roles and users that a document names, and the same document with others in their place.

A policy that names a role by ARN means the role that is there when it is saved. Services therefore keep the unique id
(`AROA…`, `AIDA…`) in its place, so that a role which is made later under the name of a deleted one inherits nothing:

    pinned = await principals.pin(account_id, document)   # before a document is kept
    shown = await principals.show(account_id, pinned)     # before it is handed back

Who has which id is IAM's to say; a service is handed a `PolicyPrincipals`. What is no document is left to the parser.

Source: IAM User Guide, "IAM JSON policy elements: Principal", role and user principals ("when you save the policy").
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

__all__ = ["PolicyPrincipals", "named_principals", "with_principals"]

_ELEMENTS = ("Principal", "NotPrincipal")


class PolicyPrincipals(Protocol):
    """Knows the unique ids of an account's roles and users."""

    async def pin(self, account_id: str, document: str) -> str:
        """The document with unique ids for the ARNs of this account's roles and users.

        Raises:
            MalformedPolicy: it names a role or user of this account that does not exist.
        """
        ...

    async def show(self, account_id: str, document: str) -> str:
        """The document with ARNs for unique ids; the id of who is gone stays, as on AWS."""
        ...


def named_principals(document: str) -> tuple[str, ...]:
    """What stands under `AWS` in the document's principals, sorted and each once; nothing if it is no document."""
    found = {name for principals in _principals(_read(document)) for name in _names(principals["AWS"])}
    return tuple(sorted(found))


def with_principals(document: str, replacements: Mapping[str, str]) -> str:
    """The document with these names replaced, and otherwise as its author wrote it if that can be done."""
    if not replacements:
        return document
    changed = _read(document)
    for principals in _principals(changed):
        given = principals["AWS"]
        if isinstance(given, list):
            principals["AWS"] = [replacements.get(name, name) if isinstance(name, str) else name for name in given]
        elif isinstance(given, str):
            principals["AWS"] = replacements.get(given, given)
    edited = document
    for old, new in replacements.items():
        edited = edited.replace(json.dumps(old), json.dumps(new))
    # A text may spell a name with escapes, or use it elsewhere too (in a condition); then layout gives way to meaning.
    return edited if _read(edited) == changed else json.dumps(changed)


def _read(document: str) -> object:
    try:
        return json.loads(document)
    except ValueError:
        return None


def _principals(document: object) -> Iterator[dict[str, Any]]:
    """The objects that name principals of AWS."""
    statements = document.get("Statement") if isinstance(document, dict) else None
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in _ELEMENTS:
            principals = statement.get(element) if isinstance(statement, dict) else None
            if isinstance(principals, dict) and "AWS" in principals:
                yield principals


def _names(given: object) -> Iterator[str]:
    yield from (name for name in (given if isinstance(given, list) else [given]) if isinstance(name, str))

"""What an app file hands to a declaration, looked at where it is written.

A single text in the place of a list would be taken apart into its letters, and a coroutine function would answer with a
coroutine: neither is seen before somebody calls, so both are refused at once. Messages say what to write instead.
"""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from types import UnionType
from typing import Any, TypeVar

__all__ = ["check_handler", "check_kind", "listed"]

Item = TypeVar("Item")


def listed(what: str, values: Iterable[Item], kind: type | UnionType = str) -> tuple[Item, ...]:
    """`values`, each of which is a `kind`.

    Raises:
        TypeError: it is one alone, or one of them is something else.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{what} is a list: write {what}=[...] around it, even for one")
    found = tuple(values)
    for value in found:
        check_kind(what, value, kind)
    return found


def check_kind(what: str, value: object, kind: type | UnionType) -> None:
    """Refuse a value that is something else. None stands for what was left out.

    Raises:
        TypeError: it is.
    """
    if value is not None and not isinstance(value, kind):
        kinds = [kind] if isinstance(kind, type) else kind.__args__
        wanted = " or ".join(one.__name__ for one in kinds)
        raise TypeError(f"{what} takes {wanted}, and a {type(value).__name__} was given")


def check_handler(what: str, handler: Callable[..., Any], names: Collection[str] | None = None) -> None:
    """Refuse a handler that cannot be called as it will be: with `names` as keywords or, if None, as Lambda does.

    Raises:
        TypeError: it is asynchronous, or takes other parameters.
    """
    if inspect.iscoroutinefunction(handler):
        raise TypeError(f"{what}: {handler.__name__} is async, and Lambda calls plain functions: use asyncio.run in it")
    try:
        signature = inspect.signature(handler, follow_wrapped=False)
    except ValueError:  # written in C, with no signature to look at
        return
    try:
        if names is None:
            signature.bind({}, None)
        else:
            signature.bind(**dict.fromkeys(names, ""))
    except TypeError as err:
        given = "event, context" if names is None else ", ".join(f"{name}=..." for name in names)
        raise TypeError(f"{what}: its function is called with ({given}): {err}") from None

"""The `Settings` document of managed login branding: which settings there are, and what each may be.

`managed_login_defaults.json` is the whole document with this server's own look in it: it is what a setting is that
nobody has set, and the list of the settings that exist. A document may leave out what it likes; what it says has to be
in that list and of the same kind: a colour of eight hexadecimal digits (red, green, blue, opacity), a radius, a yes or
no, or one of a few words. Anything else is refused by its path.

Sources: Cognito user pools API, CreateManagedLoginBranding; Developer Guide, "Apply branding to managed login pages".
The names are those of a style that AWS has exported. Texts of refusals are UNVERIFIED.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["check_settings", "default_settings", "merged_settings"]

_DEFAULTS: Final = Path(__file__).with_name("managed_login_defaults.json")
_COLOR: Final = re.compile(r"[0-9A-Fa-f]{8}")
_MAX_RADIUS: Final = 100.0
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "interfaceStyle": frozenset({"BUTTON_LIST", "DROP_DOWN"}),
    "horizontal": frozenset({"START", "CENTER", "END"}),
    "vertical": frozenset({"START", "CENTER", "END"}),
    "sessionTimerDisplay": frozenset({"NONE", "STATIC", "COUNT_DOWN"}),
    "colorSchemeMode": frozenset({"LIGHT", "DARK", "DYNAMIC"}),
    "spacingDensity": frozenset({"REGULAR", "COMPACT"}),
    "formInclusion": frozenset({"IN", "OUT"}),
    "location": frozenset({"START", "CENTER", "END"}),
    "position": frozenset({"TOP", "BOTTOM"}),
    "displayType": frozenset({"TEXT", "FLAG", "NONE"}),
    "display": frozenset({"BUTTON", "INPUT", "EXPANDED"}),
    "type": frozenset({"FEDERATED", "USERNAME_PASSWORD", "PASSKEY", "EMAIL_OTP", "SMS_OTP"}),
    "enforcement": frozenset({"NONE"}),
    "textKey": frozenset({"en"}),
}
"""By setting. UNVERIFIED for the words that AWS's own default does not hold."""
_FAVICONS: Final = frozenset({"ICO", "SVG"})
_MAX_DEPTH: Final = 12


@cache
def _defaults_text() -> str:
    return _DEFAULTS.read_text(encoding="utf-8")


def default_settings() -> dict[str, Any]:
    """What every setting is that nobody has set."""
    defaults: dict[str, Any] = json.loads(_defaults_text())
    return defaults


def merged_settings(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base`, with what `over` says in its place; lists are replaced whole."""
    merged = dict(base)
    for name, value in over.items():
        before = merged.get(name)
        merged[name] = (
            merged_settings(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
        )
    return merged


def check_settings(settings: object) -> dict[str, Any]:
    """The document, if every setting in it is one that there is, and of its kind.

    Raises:
        InvalidParameterException: with the path of the setting.
    """
    if not isinstance(settings, Mapping):
        raise InvalidParameterException("Settings: a JSON object is needed.")
    _check_object(settings, default_settings(), "Settings", _MAX_DEPTH)
    return dict(settings)


def _check_object(given: Mapping[str, Any], known: Mapping[str, Any], path: str, depth: int) -> None:
    for name, value in given.items():
        at = f"{path}.{name}"
        if name not in known:
            raise InvalidParameterException(f"{at}: there is no such setting.")
        _check_value(name, value, known[name], at, depth - 1)


def _check_value(name: str, value: object, default: object, path: str, depth: int) -> None:
    match default:
        case bool():
            if not isinstance(value, bool):
                raise InvalidParameterException(f"{path}: true or false is needed.")
        case float():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_RADIUS:
                raise InvalidParameterException(f"{path}: a number from 0 to {_MAX_RADIUS:.0f} is needed.")
        case dict():
            if not isinstance(value, Mapping) or depth == 0:
                raise InvalidParameterException(f"{path}: a JSON object is needed.")
            _check_object(value, default, path, depth)
        case list():
            _check_list(name, value, default, path, depth)
        case str() if name in _WORDS:
            if not isinstance(value, str) or value not in _WORDS[name]:
                raise InvalidParameterException(f"{path}: one of {', '.join(sorted(_WORDS[name]))} is needed.")
        case _:
            if not isinstance(value, str) or _COLOR.fullmatch(value) is None:
                raise InvalidParameterException(f"{path}: a colour of eight hexadecimal digits is needed.")


def _check_list(name: str, value: object, default: list[Any], path: str, depth: int) -> None:
    if not isinstance(value, list) or len(value) > 100 or depth == 0:
        raise InvalidParameterException(f"{path}: a list is needed.")
    for at, one in enumerate(value):
        here = f"{path}[{at}]"
        if name == "enabledTypes":
            if one not in _FAVICONS:
                raise InvalidParameterException(f"{here}: one of ICO, SVG is needed.")
        elif name == "order":
            if not isinstance(one, str) or not 0 < len(one) <= 32:
                raise InvalidParameterException(f"{here}: the name of an identity provider is needed.")
        else:
            _check_value(name, one, default[0], here, depth - 1)

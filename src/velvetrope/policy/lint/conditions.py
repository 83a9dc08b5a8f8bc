"""Can the conditions ever differ: keys that nobody's request has, values that an operator does not read as meant.

A key that is never there makes a condition constant. Which way is found out by asking the compiled condition itself
about a request that has no keys.

Source: IAM User Guide, "AWS global condition context keys", "IAM JSON policy elements: Condition operators".
"""

from collections.abc import Iterator
from difflib import get_close_matches

from velvetrope.policy.conditions import Condition
from velvetrope.policy.context import ABSENT_KEYS, CALLER_KEYS
from velvetrope.policy.lint.catalogue import Catalogue
from velvetrope.policy.lint.findings import Finding
from velvetrope.policy.lint.subjects import Subject
from velvetrope.policy.requests import AuthorizationRequest, Facts
from velvetrope.principals import ANONYMOUS

__all__ = ["check_conditions"]

_NOTHING = Facts(AuthorizationRequest(ANONYMOUS, "a:a", "*", "", {}))
_TAG_KEYS = ("aws:principaltag/", "aws:requesttag/", "aws:resourcetag/")


def check_conditions(subject: Subject, catalogue: Catalogue) -> Iterator[Finding]:
    """Conditions that are constant or that say something else than they seem to."""
    for condition in subject.statement.conditions:
        position = subject.place_of_condition(condition.operator, condition.key)
        for key in dict.fromkeys(condition.keys):
            spelled = subject.spelling_of(condition.operator, key)
            if subject.services & catalogue.other_services and key.partition(":")[0] in catalogue.other_services:
                continue  # The statement is about services of which nothing is checked.
            absent = _why_absent(key, spelled, catalogue)
            if absent is not None and key == condition.key:
                message = f"{absent}; {_consequence(condition, subject, is_untold=catalogue.is_key_of_aws(key))}"
                yield Finding("warning", "key-never-present", position, message)
            elif absent is not None:
                yield Finding("warning", "key-never-present", position, f"in a value of {condition.operator}: {absent}")
        yield from _check_values(condition, subject)


def _why_absent(key: str, spelled: str, catalogue: Catalogue) -> str | None:
    """Why no request here has the key; None if one may."""
    if key in CALLER_KEYS or key.startswith(_TAG_KEYS) or catalogue.knows_key(key):
        return None
    prefix = key.partition(":")[0]
    if "." in prefix or prefix == "saml":
        return None  # A key of an identity provider: `provider.example.com:claim`.
    if key in ABSENT_KEYS:
        return f"{spelled} is a key of AWS's that no request here has"
    if catalogue.is_key_of_aws(key):
        return f"{spelled} is a key of AWS's whose value cannot be told here"
    if prefix in catalogue.other_services:
        return f"{spelled} is of a service that is not here"
    known = [*CALLER_KEYS, *ABSENT_KEYS, *catalogue.filled_keys]
    nearest = get_close_matches(key, known, n=1, cutoff=0.75)
    return f"there is no condition key {spelled}" + (f" (the nearest is {nearest[0]})" if nearest else "")


def _consequence(condition: Condition, subject: Subject, *, is_untold: bool) -> str:
    if is_untold:
        return "not knowing never helps, so an Allow with it does not apply and a Deny does"
    if condition.holds(_NOTHING, denies=not subject.allows):
        return f"{condition.operator} on it always holds, so it restricts nothing"
    return f"{condition.operator} on it never holds, so {subject.name} never applies"


def _check_values(condition: Condition, subject: Subject) -> Iterator[Finding]:
    position = subject.place_of_condition(condition.operator, condition.key)
    key = subject.spelling_of(condition.operator, condition.key)
    plain = condition.operator.rpartition(":")[2].removesuffix("IfExists")
    starred = [value for value in condition.values if "*" in value.replace("${*}", "")]
    if plain in {"StringEquals", "StringNotEquals"} and starred:
        like = condition.operator.replace("Equals", "Like")
        message = f"{condition.operator} takes the * of {starred[0]} literally; {like} takes it as a wildcard"
        yield Finding("warning", "literal-wildcard", position, message)
    if condition.operator.startswith("ForAllValues:") and subject.allows:
        guarded = any(other.operator == "Null" and other.key == condition.key for other in subject.statement.conditions)
        if not guarded:
            message = (
                f"{condition.operator} holds when {key} is absent, which lets such requests in; add "
                f'"Null": {{"{key}": "false"}}'
            )
            yield Finding("warning", "for-all-of-nothing", position, message)
    if condition.operator == "Bool" and condition.key == "aws:multifactorauthpresent" and not subject.allows:
        message = (
            "aws:MultiFactorAuthPresent is absent for long-term keys, so this Deny lets them through; BoolIfExists "
            "denies them"
        )
        yield Finding("warning", "absent-for-keys", position, message)

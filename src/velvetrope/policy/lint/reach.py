"""Can the statement decide anything: an Allow that a Deny of the same document covers wholly never does.

Only what is sure counts: the Deny has no conditions and speaks of the same callers, and each action and resource of
the Allow is covered by it.
"""

from collections.abc import Iterator, Sequence

from velvetrope.policy.actions import ActionElement
from velvetrope.policy.globs import compile_glob
from velvetrope.policy.lint.findings import Finding
from velvetrope.policy.lint.subjects import Subject
from velvetrope.policy.resources import ResourceElement, ResourcePattern

__all__ = ["check_reach"]


def check_reach(subject: Subject, all_subjects: Sequence[Subject]) -> Iterator[Finding]:
    """An Allow that never decides."""
    if not subject.allows:
        return
    for other in all_subjects:
        if not other.allows and _covers(other, subject):
            message = f"{subject.name} allows only what {other.name} denies, so it never decides anything"
            yield Finding("error", "unreachable", subject.position, message)
            return


def _covers(deny: Subject, allow: Subject) -> bool:
    by, of = deny.statement, allow.statement
    if by.conditions or of.action.negated:
        return False
    if by.principal is not None and not by.principal.anyone and by.principal != of.principal:
        return False
    if not all(_covers_action(by.action, value.lower()) for value in of.action.values):
        return False
    if by.resource is None or of.resource is None:
        return by.resource is of.resource
    if of.resource.negated:
        return not by.resource.negated and "*" in deny.resources
    return all(_covers_resource(by.resource, pattern) for pattern in of.resource.patterns)


def _covers_action(element: ActionElement, value: str) -> bool:
    # A `?` stands for less than a `*`, so reading it as one is on the safe side.
    partial = value.replace("?", "*")
    globs = [compile_glob(text.lower()) for text in element.values]
    if element.negated:
        return not any(glob.overlaps(partial) for glob in globs)
    return any(glob.covers(partial) for glob in globs)


def _covers_resource(element: ResourceElement, pattern: ResourcePattern) -> bool:
    if not pattern.head:
        return not element.negated and any(not other.head for other in element.patterns)
    partial = _partial(pattern)
    if element.negated:
        return not any(not other.head or _all_parts(other, partial, "overlaps") for other in element.patterns)
    return any(not other.head or _all_parts(other, partial, "covers") for other in element.patterns)


def _all_parts(pattern: ResourcePattern, partial: str, question: str) -> bool:
    if pattern.tail.static is None:
        # What a variable becomes is not known: it may be anything, or nothing that is asked for.
        return question == "overlaps"
    tail = compile_glob(pattern.text.split(":", 5)[5]) if pattern.text.count(":") >= 5 else compile_glob("*")
    globs = (*pattern.head, tail)
    ask = (glob.covers if question == "covers" else glob.overlaps for glob in globs)
    return all(fits(part) for fits, part in zip(ask, partial.split(":", 5), strict=True))


def _partial(pattern: ResourcePattern) -> str:
    """The pattern as a resource of which the wildcards and variables are not known."""
    head = [part.replace("?", "*") for part in pattern.text.split(":", 5)[:5]]
    head += ["*"] * (5 - len(head))
    tail = "".join(part if isinstance(part, str) else "*" for part in pattern.tail.parts)
    return ":".join([*head, tail])

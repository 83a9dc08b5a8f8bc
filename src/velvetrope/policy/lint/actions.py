"""Do the actions exist: of a service that we know, of one that we only know of, of none.

Source: Service Authorization Reference.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from velvetrope.policy.globs import compile_glob
from velvetrope.policy.lint.catalogue import Catalogue, ServiceFacts
from velvetrope.policy.lint.findings import Finding
from velvetrope.policy.lint.subjects import Subject

__all__ = ["actions_named_by", "check_actions", "unchecked_services"]


def check_actions(subject: Subject, catalogue: Catalogue) -> Iterator[Finding]:
    """Actions that do not exist. Those of services that we do not know are not spoken of here."""
    for value in subject.actions:
        service, _, name = value.lower().partition(":")
        if service == "*":
            continue
        position = subject.place_of("Action", value)
        facts = catalogue.services.get(service)
        if facts is None and service not in catalogue.other_services:
            meant = get_close_matches(service, [*catalogue.services, *catalogue.other_services], n=1, cutoff=0.85)
            if meant:
                message = f"{value}: no service of AWS is called {service}; the nearest is {meant[0]}"
                yield Finding("error", "unknown-service", position, message)
            else:
                message = f"{value}: this version knows no service {service}; it is newer, or AWS spells it otherwise"
                yield Finding("warning", "unknown-service", position, message)
        elif facts is not None and not _matching(name, facts):
            what = "no action of the service matches it" if "*" in name or "?" in name else "there is no such action"
            hint = _nearest(name, tuple(facts.actions), prefix=f"{service}:")
            yield Finding("error", "unknown-action", position, f"{value}: {what}{hint}")


def unchecked_services(subject: Subject, catalogue: Catalogue) -> frozenset[str]:
    """The services of which only the name could be checked."""
    return subject.services & catalogue.other_services


def actions_named_by(value: str, catalogue: Catalogue) -> list[tuple[str, tuple[str, ...] | None]]:
    """Every action that `value` names, with the resources that it takes. None if the service is not known."""
    service, _, name = value.lower().partition(":")
    facts = catalogue.services.get(service)
    if facts is None:
        return [(value, None)]
    return [(f"{service}:{action}", facts.actions[action]) for action in _matching(name, facts)]


def _matching(name: str, facts: ServiceFacts) -> list[str]:
    glob = compile_glob(name)
    return [action for action in facts.actions if glob.matches(action.lower())]


def _nearest(word: str, known: tuple[str, ...], *, prefix: str = "") -> str:
    spellings = {name.lower(): name for name in known}
    plain = word.replace("*", "").replace("?", "")
    found = get_close_matches(plain, list(spellings), n=1, cutoff=0.6) or [
        name for name in spellings if plain and (name.startswith(plain) or plain.startswith(name))
    ]
    return f"; the nearest is {prefix}{spellings[found[0]]}" if found else ""

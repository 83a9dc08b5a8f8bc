"""The tables, in Markdown."""

import itertools
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.peers.doors import Finding, Outcome, Trial
from benchmarks.peers.peer import Peer, Started
from benchmarks.peers.speed import Rate, Start

__all__ = ["doors_table", "peers_table", "rates_table", "said_table", "starts_table"]

Found = Mapping[str, Mapping[Trial, Finding]]
"""Findings by peer and door."""

_CELLS = {Outcome.LET_IN: "**in**", Outcome.REFUSED: "refused", Outcome.BROKE: "broke", Outcome.HAS_NONE: ""}


def peers_table(peers: Sequence[Peer]) -> Iterator[str]:
    """What runs, from where, how it is started, and what it says of itself."""
    yield from _head("", "installed", "started by", "what it documents")
    anywhere = Started(Path("home"), Path("state"), 4566)
    for peer in peers:
        package = peer.package
        installed = f"{package.registry}: `{' '.join(package.requirements)}`" if package else "this checkout"
        variables = (f"{name}={value}" for name, value in peer.environment(anywhere).items())
        yield _row(peer.name, installed, f"`{' '.join((*variables, *peer.command(anywhere)))}`", peer.documented)


def doors_table(found: Found) -> Iterator[str]:
    """One row for each door, one column for each peer; nothing where there is no such door."""
    yield from _head("", "AWS", *found)
    trials = next(iter(found.values()))
    for heading, group in itertools.groupby(trials, key=lambda trial: trial.heading):
        yield _row(f"**{heading}**", "", *("" for _ in found))
        for trial in group:
            yield _row(trial.name, trial.aws, *(_CELLS[findings[trial].outcome] for findings in found.values()))
    yield _row(
        "**let in, of those let in or refused**", "", *(_let_in(findings.values()) for findings in found.values())
    )


def _let_in(findings: Iterable[Finding]) -> str:
    """An error of the peer's own is neither, and counts for nothing."""
    outcomes = [finding.outcome for finding in findings]
    let_in = outcomes.count(Outcome.LET_IN)
    return f"**{let_in} of {let_in + outcomes.count(Outcome.REFUSED)}**"


def said_table(findings: Mapping[Trial, Finding]) -> Iterator[str]:
    """What one peer said at each door."""
    yield from _head("", "", "said")
    for trial, finding in findings.items():
        yield _row(f"{trial.heading}: {trial.name}", finding.outcome.value, finding.said)


def starts_table(found: Mapping[str, Start]) -> Iterator[str]:
    """Seconds and MiB."""
    yield from _head("", "first answer, s", "first call done, s", "resident, MiB")
    for name, start in found.items():
        yield _row(name, f"{start.answer:.1f}", f"{start.first_call:.1f}", f"{start.resident_mib:.0f}")


def rates_table(found: Mapping[str, Mapping[str, Sequence[Rate]]], ours: str) -> Iterator[str]:
    """Processor time of a call, and ours as a ratio to theirs, round by round; above 1 we take longer."""
    names = list(dict.fromkeys(name for rates in found.values() for name in rates))
    yield from _head("", *(f"{work}: a second, CPU ms, ours to theirs" for work in found))
    for name in names:
        yield _row(name, *(_rate(rates.get(name), rates.get(ours)) for rates in found.values()))


def _rate(theirs: Sequence[Rate] | None, ours: Sequence[Rate] | None) -> str:
    if theirs is None:
        return ""
    per_second = statistics.median(rate.per_second for rate in theirs)
    cpu_ms = statistics.median(rate.cpu_ms for rate in theirs)
    said = f"{per_second:,.0f}, {cpu_ms:.2f}"
    if ours is None:
        return said
    ratio = statistics.median(us.cpu_ms / them.cpu_ms for us, them in zip(ours, theirs, strict=True))
    return f"{said}, **{ratio:.2f}**"


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield "|" + "---|" * len(cells)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

"""`velvetrope policy check FILE`: what a policy document says, and what is wrong with it, by line.

Nothing is asked of a server, and nothing is applied: the document is read as IAM reads it (`policy.lint`), with what is
known of AWS's services (`iam.policy_catalogue`).
"""

import sys
from enum import StrEnum
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from velvetrope.cli.ending import fail, reason_of

if TYPE_CHECKING:
    from velvetrope.policy.lint import Report

__all__ = ["policy_commands"]

policy_commands = typer.Typer(name="policy", help="Read policy documents.")

_WIDTH = 110
_MAX_BYTES = 1_000_000  # Far over any quota; a policy that long was meant to be something else.


class Kind(StrEnum):
    """What a document is for; the rules differ."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"
    BOUNDARY = "boundary"
    SESSION = "session"


@policy_commands.callback()
def _group() -> None:
    # With a callback the one command keeps its name.
    pass


@policy_commands.command()
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", readable=False, help="The JSON document; - reads standard input.")
    ],
    kind: Annotated[Kind, typer.Option(help="What the document is for.")] = Kind.IDENTITY,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
) -> None:
    """Explain a policy document, and find what is wrong with it."""
    from velvetrope.iam.policy_catalogue import policy_catalogue
    from velvetrope.policy.lint import check_document

    text = _read(file)
    report = check_document(text, kind=kind.value, catalogue=policy_catalogue())
    print(render_report(report))
    severities = {finding.severity for finding in report.findings}
    if "error" in severities or (strict and severities):
        raise typer.Exit(1)


def render_report(report: "Report") -> str:
    """The report for a terminal: first what the document says, then what is wrong with it."""
    lines = [
        line
        for explanation in report.explanations
        for line in _row(explanation.position.line, "", f"{explanation.sentence}.")
    ]
    if report.explanations:
        lines.append("")
    for finding in report.findings:
        lines += _row(finding.position.line, finding.severity, f"{finding.message}.")
    for service in report.unchecked_services:
        lines += _row(None, "note", f"velvetrope does not know the service {service}; nothing of it was checked.")
    if report.findings or report.unchecked_services:
        lines.append("")
    errors = sum(finding.severity == "error" for finding in report.findings)
    warnings = len(report.findings) - errors
    lines.append(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return "\n".join(lines)


def _row(line: int | None, label: str, sentence: str) -> list[str]:
    place = "" if line is None else f"line {line}"
    head = f"{place:<9} {label:<8} " if label else f"{place:<9} "
    return wrap(
        sentence,
        width=_WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _read(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read(_MAX_BYTES + 1) if str(file) == "-" else _beginning_of(file)
    except OSError as err:
        fail(f"{file} cannot be read: {reason_of(err)}.")
    if len(raw) > _MAX_BYTES:
        fail(f"{file} is longer than {_MAX_BYTES} bytes; that is no policy.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8 text.")


def _beginning_of(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_MAX_BYTES + 1)

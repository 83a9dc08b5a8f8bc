"""Function configurations: the members that clients send, the checks on them, and the answer that shows one.

Where AWS first answers `Pending` and `InProgress`, we answer `Active` and `Successful`: code is unpacked and the role
was tried before the answer is given, so that there is nothing to wait for.

Source: AWS Lambda API Reference, FunctionConfiguration; defaults and texts as recorded in reference/lambda.md,
section 8.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from velvetrope.functions.errors import InvalidParameterValueException, PreconditionFailedException
from velvetrope.store.tables.functions import FunctionConfiguration

__all__ = [
    "DeadLetterConfig",
    "Environment",
    "EphemeralStorage",
    "FunctionCode",
    "LoggingConfig",
    "SnapStart",
    "TracingConfig",
    "check_limits",
    "check_logging",
    "check_revision",
    "check_tracing",
    "render_configuration",
    "render_sha256",
    "render_time",
]

MAX_TIMEOUT_SECONDS = 900
MAX_MEMORY_MB = 10_240


class FunctionCode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the code is: in the call itself. There is no S3 here and no image registry."""

    zip_file: bytes | None = None


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The environment variables: all of them, each time."""

    variables: dict[str, str] = {}


class EphemeralStorage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The size of the scratch folder in MB. Kept and shown, not enforced."""

    size: int


class TracingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether invocations are traced: `PassThrough` only."""

    mode: str = "PassThrough"


class DeadLetterConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The queue that gets the events which the function failed on. Empty means none."""

    target_arn: str = ""


class LoggingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How logs are written: as text, and into the function's own group."""

    log_format: Literal["Text"] = "Text"
    log_group: str | None = None


class SnapStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether sandboxes start from a snapshot: they do not."""

    apply_on: Literal["None"] = "None"


def check_logging(logging: LoggingConfig | None, *, function_name: str) -> None:
    """Refuse a log group that is not the function's own: one function's lines are found by its name here.

    Raises:
        InvalidParameterValueException: another group.
    """
    if logging is not None and logging.log_group not in {None, f"/aws/lambda/{function_name}"}:
        raise InvalidParameterValueException(
            f"The log group {logging.log_group} is not supported here: this function's is /aws/lambda/{function_name}."
        )


def check_limits(*, timeout_seconds: int, memory_size_mb: int) -> None:
    """Refuse what the model lets through for newer kinds of function only.

    Raises:
        InvalidParameterValueException: over the limit of an ordinary function.
    """
    for name, value, limit in (
        ("timeout", timeout_seconds, MAX_TIMEOUT_SECONDS),
        ("memorySize", memory_size_mb, MAX_MEMORY_MB),
    ):
        if value > limit:
            raise InvalidParameterValueException(
                f"Value '{value}' at '{name}' failed to satisfy constraint: "
                f"Member must have value less than or equal to {limit}"
            )


def check_tracing(tracing: TracingConfig | None) -> None:
    """Refuse active tracing: there is nothing here to send traces to.

    Raises:
        InvalidParameterValueException: the mode is not `PassThrough`.
    """
    if tracing is not None and tracing.mode != "PassThrough":
        raise InvalidParameterValueException(f"The tracing mode {tracing.mode} is not supported here.")


def check_revision(present: str, expected: str | None) -> None:
    """Refuse a change of something that was changed since the caller looked.

    Raises:
        PreconditionFailedException: the revisions differ.
    """
    if expected is not None and expected != present:
        # UNVERIFIED: AWS's exact words for functions and aliases; for policies they are recorded.
        raise PreconditionFailedException(
            "The RevisionId provided does not match the latest RevisionId. "
            "Call the GetFunction/GetAlias API to retrieve the latest RevisionId"
        )


def render_sha256(hexadecimal: str) -> str:
    """A digest as Lambda shows it: base64."""
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def render_configuration(
    configuration: FunctionConfiguration, *, function_arn: str, variables: Mapping[str, str]
) -> dict[str, object]:
    """The configuration as every operation answers it; `function_arn` has the qualifier that this answer shows."""
    return {
        "function_name": configuration.function_name,
        "function_arn": function_arn,
        "runtime": configuration.runtime,
        "role": configuration.role,
        "handler": configuration.handler or None,
        "code_size": configuration.code_size_bytes,
        "description": configuration.description,
        "timeout": configuration.timeout_seconds,
        "memory_size": configuration.memory_size_mb,
        "last_modified": render_time(configuration.modified_at),
        "code_sha256": render_sha256(configuration.code_sha256),
        "version": configuration.version,
        "environment": {"variables": dict(variables)} if variables else None,
        "dead_letter_config": (
            {"target_arn": configuration.dead_letter_arn} if configuration.dead_letter_arn else None
        ),
        "layers": [{"arn": layer.version_arn, "code_size": layer.code_size_bytes} for layer in configuration.layers]
        or None,
        "tracing_config": {"mode": configuration.tracing_mode},
        "revision_id": configuration.revision_id,
        "state": "Active",
        "last_update_status": "Successful",
        "package_type": "Zip",
        "architectures": list(configuration.architectures),
        "ephemeral_storage": {"size": configuration.ephemeral_storage_mb},
        "snap_start": {"apply_on": "None", "optimization_status": "Off"},
        "logging_config": {"log_format": "Text", "log_group": f"/aws/lambda/{configuration.function_name}"},
    }


def render_time(at: datetime) -> str:
    """As Lambda writes it, which is no AWS timestamp format: `2026-01-01T00:00:00.000+0000`."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"

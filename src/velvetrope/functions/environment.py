"""A sandbox's environment variables: built from nothing, so that none of the server's own gets in.

The variables are those of Lambda's managed runtimes with these differences, each for a reason:

- `AWS_ENDPOINT_URL` is our own address, so that boto3 in the function calls us.
- `HOME` and `TMPDIR` are the sandbox's own writable folder: `/tmp` where it has a root folder of its own, else one that
  only they name. The owner's `~/.aws` is none of the function's business.
- `PATH` starts with the interpreter's folder; `PYTHONPATH` and `NODE_PATH` name the layers' folders only, if there are
  layers: nothing is at `/var/lang` or `/var/runtime`.
- No `AWS_LAMBDA_RUNTIME_API` for Python that is forked: it speaks frames over a socketpair, and nobody listens at an
  address.
- No X-Ray daemon address: nothing listens there.

A user's variable wins over ours unless its name is reserved, which CreateFunction refuses.

Source: AWS Lambda Developer Guide, "Using Lambda environment variables", defined runtime environment variables.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from velvetrope.clock import Entropy
from velvetrope.functions.errors import InvalidParameterValueException
from velvetrope.functions.runtimes import Runtime
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret

__all__ = ["EnvironmentBox", "RoleCredentials", "build_environment", "check_variables", "log_stream_name"]

MAX_VARIABLES_BYTES = 4096
_PURPOSE = "functions.environment"
_KEY = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
_RESERVED = (
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
)


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """The execution role's session, as far as a sandbox must know it."""

    access_key_id: str
    secret_access_key: Secret[str]
    session_token: str


class EnvironmentBox:
    """Seals the variables of functions for the store, and opens them again. Each belongs to one function's ARN."""

    def __init__(self, master_keys: MasterKeys, entropy: Entropy) -> None:
        self._master_keys = master_keys
        self._entropy = entropy

    def seal(self, variables: Mapping[str, str], function_arn: str) -> bytes | None:
        """The variables, sealed; None if there are none."""
        if not variables:
            return None
        return self._master_keys.seal(
            json.dumps(dict(variables)).encode(),
            purpose=_PURPOSE,
            entropy=self._entropy,
            context=function_arn.encode(),
        )

    def open(self, sealed: bytes | None, function_arn: str) -> dict[str, str]:
        """The variables.

        Raises:
            velvetrope.sealing.SealBroken: they were sealed under other master keys.
        """
        if sealed is None:
            return {}
        opened = self._master_keys.open(sealed, purpose=_PURPOSE, context=function_arn.encode())
        variables: dict[str, str] = json.loads(opened)
        return variables


def check_variables(variables: Mapping[str, str]) -> None:
    """Refuse variables that Lambda would refuse: reserved or ill-formed names, more than 4 KB.

    Raises:
        InvalidParameterValueException: with AWS's text.
    """
    prefix = "Lambda was unable to configure your environment variables because the environment variables you have "
    reserved = [key for key in variables if key in _RESERVED]
    if reserved:
        raise InvalidParameterValueException(
            f"{prefix}provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    for key, value in variables.items():
        # The model has the key's pattern too; a NUL in a value cannot be passed to a process at all.
        if not _KEY.fullmatch(key) or "\0" in value:
            raise InvalidParameterValueException(f"The environment variable {key} is not valid.")
    measured = json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > MAX_VARIABLES_BYTES:
        raise InvalidParameterValueException(f"{prefix}provided exceeded the 4KB limit. String measured: {measured}")


def log_stream_name(version: str, now: datetime, entropy: Entropy) -> str:
    """A new stream's name: day, version in brackets and 32 hexadecimal digits."""
    return f"{now:%Y/%m/%d}/[{version}]{entropy.token_bytes(16).hex()}"


def build_environment(
    *,
    function_name: str,
    version: str,
    runtime: Runtime,
    handler: str,
    memory_size_mb: int,
    region: str,
    log_stream: str,
    task_root: str,
    opt: str | None,
    scratch: str,
    runtime_folder: Path,
    runtime_api: str | None,
    endpoint_url: str,
    interpreter_folder: Path,
    credentials: RoleCredentials,
    variables: Mapping[str, str],
) -> dict[str, str]:
    """All variables of one sandbox's process.

    Paths are as seen from inside. `opt` is None where there are no layers, `runtime_api` where frames are spoken.
    """
    environment = {
        "_HANDLER": handler,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_size_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_REGION": region,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key.reveal(),
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "HOME": scratch,
        "LAMBDA_RUNTIME_DIR": str(runtime_folder),
        "LAMBDA_TASK_ROOT": task_root,
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": f"{task_root}:{task_root}/lib:{opt or '/opt'}/lib",
        "PATH": f"{interpreter_folder}:/usr/local/bin:/usr/bin:/bin:{opt or '/opt'}/bin",
        "PWD": task_root,
        "SHLVL": "0",
        "TMPDIR": scratch,
        "TZ": ":UTC",
    }
    if runtime_api is not None:
        environment["AWS_LAMBDA_RUNTIME_API"] = runtime_api
    if runtime.kind == "python":
        environment["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{runtime.name}"
        environment["LC_CTYPE"] = "C.UTF-8"
        if opt is not None:
            # Source: Lambda Developer Guide, "Packaging layers", layer paths for each runtime.
            environment["PYTHONPATH"] = f"{opt}/python:{opt}/python/lib/{runtime.name}/site-packages"
    if runtime.kind == "nodejs":
        major = runtime.name.removeprefix("nodejs").removesuffix(".x")
        layers = f"{opt}/nodejs/node{major}/node_modules:{opt}/nodejs/node_modules:" if opt is not None else ""
        environment["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{runtime.name}"
        environment["NODE_PATH"] = f"{layers}{task_root}/node_modules"
    return environment | dict(variables)

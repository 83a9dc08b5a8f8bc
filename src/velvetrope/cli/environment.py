"""`velvetrope env`: how other people's tools find their way to this server, in the forms they read.

The document is the one that `/_velvetrope/config.json` serves: only what a browser may know. The root access key is
printed when asked for, from its file, and never over the network.
"""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from velvetrope.server.state_folder import StateFolderError, read_root_key

__all__ = ["amplify_configuration", "shell_exports"]


def shell_exports(connection: Mapping[str, Any], state_folder: Path, *, with_root_key: bool) -> str:
    """Lines for `eval "$(velvetrope env)"`; comments say what each group is for."""
    config: Mapping[str, str] = connection["config"]
    ca = connection["ca_certificate"]
    lines = [
        "# AWS SDKs and the AWS CLI",
        _export("AWS_ENDPOINT_URL", config["endpoint_url"]),
        _export("AWS_REGION", config["region"]),
        _export("AWS_DEFAULT_REGION", config["region"]),
    ]
    if with_root_key:
        key = read_root_key(state_folder)
        if key is None:
            raise StateFolderError(
                f"{state_folder} keeps no root access key: it was preset. Export the one that you gave the server."
            )
        lines += [
            _export("AWS_ACCESS_KEY_ID", key.access_key_id),
            _export("AWS_SECRET_ACCESS_KEY", key.secret_access_key.reveal()),
            "unset AWS_SESSION_TOKEN AWS_PROFILE",
        ]
    lines += [
        "# TLS with this server's own certificate authority: Node, and tools that take a bundle",
        _export("NODE_EXTRA_CA_CERTS", ca),
        _export("VELVETROPE_CA_CERTIFICATE", ca),
        "# The app that runs here",
    ]
    lines += [
        _export(f"VELVETROPE_{name.upper()}", value)
        for name, value in config.items()
        if name not in ("endpoint_url", "region")
    ]
    address = connection["listening_address"]
    rules = ",".join(f"MAP {host} {address}" for host in connection["aws_hosts"])
    lines += [
        "# Clients whose AWS host names are fixed: start Chromium with",
        f"#   --host-resolver-rules={shlex.quote(rules)}",
    ]
    return "\n".join(lines)


def amplify_configuration(config: Mapping[str, str]) -> str:
    """The argument of Amplify 6's `Amplify.configure`."""
    home = f"{config['endpoint_url']}/"
    cognito: dict[str, Any] = {
        "userPoolId": config.get("user_pool_id"),
        "userPoolClientId": config.get("user_pool_client_id"),
        "identityPoolId": config.get("identity_pool_id"),
        "userPoolEndpoint": config["endpoint_url"],
        "identityPoolEndpoint": config["endpoint_url"],
        "allowGuestAccess": True,
    }
    if "oauth_domain" in config:
        cognito["loginWith"] = {
            "oauth": {
                "domain": config["oauth_domain"],
                "scopes": ["openid", "email", "profile", "aws.cognito.signin.user.admin"],
                "redirectSignIn": [home],
                "redirectSignOut": [home],
                "responseType": "code",
            }
        }
    document: dict[str, Any] = {"Auth": {"Cognito": {k: v for k, v in cognito.items() if v is not None}}}
    if "api_url" in config:
        document["API"] = {"REST": {"api": {"endpoint": config["api_url"], "region": config["region"]}}}
    return json.dumps(document, indent=2)


def _export(name: str, value: str) -> str:
    return f"export {name}={shlex.quote(value)}"

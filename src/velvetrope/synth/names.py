"""Names in a template, made from names in an app file."""

import re

__all__ = ["logical_id"]


def logical_id(name: str, suffix: str = "") -> str:
    """`auth-api-demo` becomes `AuthApiDemo`: CloudFormation's ids are letters and digits."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name) if part) + suffix

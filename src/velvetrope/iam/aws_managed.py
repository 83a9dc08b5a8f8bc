"""AWS's own managed policies: those that people who use our services commonly attach, as data.

They live in the account `aws`, cannot be changed, and have one version here (`v1`; AWS's version numbers differ). The
documents in `data/aws_managed_policies.json` are written from AWS's public descriptions and grant what AWS's grant for
the services that we have; ReadOnlyAccess, SecurityAudit and PowerUserAccess name only those (AWS's name hundreds).

Source: AWS Managed Policy Reference Guide.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["AWS_ACCOUNT", "AwsManagedPolicy", "aws_managed_policies", "is_aws_managed"]

AWS_ACCOUNT = "aws"
_PREFIX = "arn:aws:iam::aws:policy/"


@dataclass(frozen=True, slots=True)
class AwsManagedPolicy:
    """One of AWS's policies."""

    policy_name: str
    path: str
    description: str
    document: str

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{AWS_ACCOUNT}:policy{self.path}{self.policy_name}"


def is_aws_managed(arn: str) -> bool:
    """Whether the ARN is one of AWS's policies, known to us or not."""
    return arn.startswith(_PREFIX)


@cache
def aws_managed_policies() -> Mapping[str, AwsManagedPolicy]:
    """Those that we know, by ARN."""
    listed = json.loads((Path(__file__).with_name("data") / "aws_managed_policies.json").read_text())["policies"]
    policies = (
        AwsManagedPolicy(
            policy_name=entry["name"],
            path=entry.get("path", "/"),
            description=entry["description"],
            document=json.dumps({"Version": "2012-10-17", "Statement": entry["statement"]}),
        )
        for entry in listed
    )
    return {policy.arn: policy for policy in policies}

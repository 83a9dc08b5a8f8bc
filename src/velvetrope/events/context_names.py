"""The names of `$context`: what templates, gateway responses and access logs may say of a request.

Below `authorizer.` names are the authorizer's own (`authorizer.claims.sub`, `authorizer.principalId`), and templates
may write below `requestOverride.` and `responseOverride.`; everything else is in the table.

Source: API Gateway Developer Guide, "API Gateway mapping template and access logging variable reference",
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
"""

from typing import Final

__all__ = ["CONTEXT_NAMES", "is_context_name"]

CONTEXT_NAMES: Final = frozenset(
    {
        "accountId",
        "apiId",
        "authenticate.error",
        "authenticate.latency",
        "authenticate.status",
        "authorize.error",
        "authorize.latency",
        "authorize.status",
        "authorizer.error",
        "authorizer.integrationStatus",
        "authorizer.latency",
        "authorizer.requestId",
        "authorizer.status",
        "awsEndpointRequestId",
        "cipherSuite",
        "customDomain.basePathMatched",
        "deploymentId",
        "domainName",
        "domainPrefix",
        "endpointType",
        "error.message",
        "error.messageString",
        "error.responseType",
        "error.validationErrorString",
        "extendedRequestId",
        "httpMethod",
        "identity.accessKey",
        "identity.accountId",
        "identity.apiKey",
        "identity.apiKeyId",
        "identity.caller",
        "identity.clientCert.clientCertPem",
        "identity.clientCert.issuerDN",
        "identity.clientCert.serialNumber",
        "identity.clientCert.subjectDN",
        "identity.clientCert.validity.notAfter",
        "identity.clientCert.validity.notBefore",
        "identity.cognitoAuthenticationProvider",
        "identity.cognitoAuthenticationType",
        "identity.cognitoIdentityId",
        "identity.cognitoIdentityPoolId",
        "identity.principalOrgId",
        "identity.sourceIp",
        "identity.user",
        "identity.userAgent",
        "identity.userArn",
        "identity.vpcId",
        "identity.vpceId",
        "integration.error",
        "integration.integrationStatus",
        "integration.latency",
        "integration.requestId",
        "integration.status",
        "integrationErrorMessage",
        "integrationLatency",
        "integrationStatus",
        "isCanaryRequest",
        "operationName",
        "path",
        "protocol",
        "requestId",
        "requestTime",
        "requestTimeEpoch",
        "resourceId",
        "resourcePath",
        "responseLatency",
        "responseLength",
        "stage",
        "status",
        "tlsVersion",
        "waf.error",
        "waf.latency",
        "waf.status",
        "wafResponseCode",
        "webaclArn",
        "xrayTraceId",
    }
)


def is_context_name(name: str) -> bool:
    """Whether `$context.{name}` is a variable."""
    return name in CONTEXT_NAMES or (name.startswith("authorizer.") and len(name) > len("authorizer."))

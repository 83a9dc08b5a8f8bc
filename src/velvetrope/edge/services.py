"""The AWS services that the edge can speak for, and what tells their calls apart on the wire.

One row per service, with the facts that are needed before its model is loaded: a model costs milliseconds and a start
of the server loads none. A test holds each row against botocore's metadata. Which operations exist, and with which
shapes, is the model's word (`models.py`).

Sources: botocore's service models, `metadata`; sigv4.md section 8 and user-pools.md section 9 of the reference for
the codes of validation errors.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["SERVICES", "Protocol", "WireService", "service_of_version", "service_with_target_prefix"]

Protocol = Literal["json", "query", "rest-json"]


@dataclass(frozen=True, slots=True)
class WireService:
    """How calls of one service are recognised.

    `name` is botocore's, which is also the service's name in a credential scope (unless `signing_name` is another) and
    the first label of its host name.
    """

    name: str
    api_version: str
    protocol: Protocol
    validation_code: str
    """The wire code of a request that its model refuses."""
    internal_code: str
    """The wire code of a fault of ours."""
    target_prefix: str = ""
    """JSON 1.0 and 1.1: what stands before the dot in `X-Amz-Target`."""
    path_prefixes: tuple[str, ...] = ()
    """REST: first path segments that belong to no other page of this server, so that no scope is needed to tell."""
    called_by_browsers: bool = False
    """Whether AWS answers this service's calls with CORS headers."""
    signing_name: str = ""
    """The service's name in a credential scope, where two services share one."""
    is_global: bool = False
    """Served from one endpoint: its clients may sign for us-east-1 wherever the server says it is."""

    @property
    def scope_name(self) -> str:
        """What a credential scope must say."""
        return self.signing_name or self.name


SERVICES: dict[str, WireService] = {
    service.name: service
    for service in (
        WireService(
            "cognito-idp",
            "2016-04-18",
            "json",
            "InvalidParameterException",
            "InternalErrorException",
            target_prefix="AWSCognitoIdentityProviderService",
            called_by_browsers=True,
        ),
        WireService(
            "cognito-identity",
            "2014-06-30",
            "json",
            "ValidationException",
            "InternalErrorException",
            target_prefix="AWSCognitoIdentityService",
            called_by_browsers=True,
        ),
        WireService(
            "logs",
            "2014-03-28",
            "json",
            "ValidationException",
            "InternalFailure",
            target_prefix="Logs_20140328",
        ),
        WireService(
            "sqs",
            "2012-11-05",
            "json",
            "InvalidParameterValueException",
            "InternalError",
            target_prefix="AmazonSQS",
        ),
        WireService(
            "kms",
            "2014-11-01",
            "json",
            "ValidationException",
            "KMSInternalException",
            target_prefix="TrentService",
        ),
        WireService("sts", "2011-06-15", "query", "ValidationError", "InternalFailure", is_global=True),
        WireService("iam", "2010-05-08", "query", "ValidationError", "InternalFailure", is_global=True),
        WireService("cloudformation", "2010-05-15", "query", "ValidationError", "InternalFailure"),
        WireService(
            "apigateway",
            "2015-07-09",
            "rest-json",
            "ValidationException",
            "InternalFailure",
            path_prefixes=("restapis", "apikeys", "usageplans"),
        ),
        WireService(
            "apigatewayv2",
            "2018-11-29",
            "rest-json",
            "BadRequestException",
            "InternalFailure",
            path_prefixes=("v2",),
            signing_name="apigateway",
        ),
        WireService(
            "lambda",
            "2015-03-31",
            "rest-json",
            "ValidationException",
            "ServiceException",
            path_prefixes=(
                "2014-11-13",
                "2015-03-31",
                "2016-08-19",
                "2017-03-31",
                "2017-10-31",
                "2018-10-31",
                "2019-09-25",
                "2019-09-30",
                "2020-06-30",
                "2021-10-31",
            ),
            called_by_browsers=True,
        ),
    )
}


_BY_TARGET_PREFIX = {service.target_prefix: service for service in SERVICES.values() if service.target_prefix}


def service_with_target_prefix(prefix: str) -> WireService | None:
    """The JSON 1.1 service whose `X-Amz-Target` begins with `prefix`."""
    return _BY_TARGET_PREFIX.get(prefix)


def service_of_version(version: str) -> WireService | None:
    """The query-protocol service of this API version: the versions of ours differ."""
    return next((s for s in SERVICES.values() if s.protocol == "query" and s.api_version == version), None)

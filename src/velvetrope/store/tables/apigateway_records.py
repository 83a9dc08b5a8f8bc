"""What is kept of API Gateway: the records of REST APIs, deployments, stages, domain names, API keys and usage plans.

Values are what AWS's members hold, checked by the control plane before they come here; a record that holds what its
reader does not understand (an authorization type, an integration) is for that reader to refuse.
"""

import hashlib
from datetime import date, datetime
from typing import ClassVar

import msgspec

__all__ = [
    "AccessLogSettings",
    "Account",
    "ApiKey",
    "ApiStage",
    "Authorizer",
    "BasePathMapping",
    "Deployment",
    "DomainName",
    "GatewayResponse",
    "Integration",
    "IntegrationResponse",
    "Method",
    "MethodResponse",
    "MethodSettings",
    "Model",
    "Quota",
    "RequestValidator",
    "Resource",
    "RestApi",
    "Stage",
    "Throttle",
    "UsagePlan",
]


class IntegrationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a method answers for the results that `selection_pattern` takes; None takes the rest.

    `response_parameters`: `method.response.header.X` to a mapping expression. `content_handling`: `CONVERT_TO_BINARY`,
    `CONVERT_TO_TEXT`, or None for as it came.
    """

    status_code: str
    selection_pattern: str | None = None
    response_parameters: dict[str, str] = {}
    response_templates: dict[str, str] = {}
    content_handling: str | None = None


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind a method.

    `type` is `AWS_PROXY` or `AWS` (a function; an AWS service's own action), `HTTP_PROXY`, `HTTP`, or `MOCK`.
    `http_method` is the verb that the backend is called with. `request_parameters`: `integration.request.{location}.X`
    to a mapping expression. `credentials`: the role that is assumed for the call, or `arn:aws:iam::*:user/*` for the
    caller's own. `response_transfer_mode`: `BUFFERED` or `STREAM`.
    """

    type: str
    http_method: str | None = None
    uri: str | None = None
    request_parameters: dict[str, str] = {}
    request_templates: dict[str, str] = {}
    passthrough_behavior: str = "WHEN_NO_MATCH"
    content_handling: str | None = None
    credentials: str | None = None
    connection_type: str = "INTERNET"
    timeout_in_millis: int = 29_000
    insecure_skip_verification: bool = False
    response_transfer_mode: str = "BUFFERED"
    cache_namespace: str = ""
    cache_key_parameters: tuple[str, ...] = ()
    integration_responses: dict[str, IntegrationResponse] = {}


class MethodResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response that a method declares: for clients' eyes, and for which headers an integration response may set."""

    status_code: str
    response_parameters: dict[str, bool] = {}
    response_models: dict[str, str] = {}


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One verb (or `ANY`) of a resource, and who may call it.

    `authorization_type` is `NONE`, `AWS_IAM`, `CUSTOM` or `COGNITO_USER_POOLS`; the last two have an `authorizer_id` of
    the API's `authorizers`. `request_parameters`: `method.request.{location}.X` to whether it is required;
    `request_models`: content type to the name of a model. Both are checked only as `request_validator_id` says.
    """

    http_method: str
    authorization_type: str = "NONE"
    authorizer_id: str | None = None
    authorization_scopes: tuple[str, ...] = ()
    api_key_required: bool = False
    operation_name: str | None = None
    request_validator_id: str | None = None
    request_parameters: dict[str, bool] = {}
    request_models: dict[str, str] = {}
    method_responses: dict[str, MethodResponse] = {}
    integration: Integration | None = None


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One path. The root has neither parent nor path part."""

    id: str
    path: str
    parent_id: str | None = None
    path_part: str | None = None
    methods: dict[str, Method] = {}


class GatewayResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The author's own form of one kind of refusal."""

    response_type: str
    status_code: str | None = None
    response_parameters: dict[str, str] = {}
    response_templates: dict[str, str] = {}


class Authorizer(msgspec.Struct, frozen=True, kw_only=True):
    """Who decides about callers of `CUSTOM` and `COGNITO_USER_POOLS` methods.

    `type` is `TOKEN` or `REQUEST` (a Lambda authorizer: `authorizer_uri`, and the role in `authorizer_credentials` that
    it is invoked with, if any) or `COGNITO_USER_POOLS` (`provider_arns`). `identity_source` is one
    `method.request.header.X`, for `REQUEST` a comma-separated list of mapping expressions or None; together they are
    the key under which a result is kept for `result_ttl_in_seconds`. `auth_type` is a customer's own word, shown in
    exports.
    """

    id: str
    name: str
    type: str
    provider_arns: tuple[str, ...] = ()
    auth_type: str | None = None
    authorizer_uri: str | None = None
    authorizer_credentials: str | None = None
    identity_source: str | None = None
    identity_validation_expression: str | None = None
    result_ttl_in_seconds: int = 300


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON schema with a name, for bodies of `content_type`. `schema` is its text as the author wrote it."""

    id: str
    name: str
    content_type: str
    schema: str
    description: str | None = None


class RequestValidator(msgspec.Struct, frozen=True, kw_only=True):
    """What is checked of a request before its integration sees it."""

    id: str
    name: str
    validate_request_body: bool = False
    validate_request_parameters: bool = False


class RestApi(msgspec.Struct, frozen=True, kw_only=True):
    """A REST API under work, or (inside a `Deployment`) as it was deployed.

    `authorizers` and `request_validators` are keyed by id, `models` by name.
    """

    id: str
    account_id: str
    name: str
    created_at: datetime
    root_resource_id: str
    resources: dict[str, Resource]
    description: str | None = None
    version: str | None = None
    api_key_source: str = "HEADER"
    endpoint_type: str = "EDGE"
    binary_media_types: tuple[str, ...] = ()
    policy: str | None = None
    tags: dict[str, str] = {}
    gateway_responses: dict[str, GatewayResponse] = {}
    authorizers: dict[str, Authorizer] = {}
    models: dict[str, Model] = {}
    request_validators: dict[str, RequestValidator] = {}
    disable_execute_api_endpoint: bool = False


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A REST API as it was at one moment."""

    id: str
    rest_api_id: str
    created_at: datetime
    rest_api: RestApi
    description: str | None = None


class MethodSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one method of a stage. Throttling is for all its callers together; -1 means no limit, as on AWS.

    `logging_level` (of execution logs) is `OFF`, `ERROR` or `INFO`; with `data_trace_enabled` they have requests and
    responses whole. None means that it was not set.
    """

    throttling_rate_limit: float | None = None
    throttling_burst_limit: int | None = None
    logging_level: str | None = None
    data_trace_enabled: bool | None = None


class AccessLogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stage's access log goes (the ARN of a log group) and one line's form, with `$context` variables."""

    destination_arn: str
    format: str


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A name under which a deployment is served. `method_settings` are keyed `/path/VERB`, `*/*` for all."""

    rest_api_id: str
    stage_name: str
    deployment_id: str
    created_at: datetime
    modified_at: datetime
    description: str | None = None
    variables: dict[str, str] = {}
    tags: dict[str, str] = {}
    method_settings: dict[str, MethodSettings] = {}
    access_log_settings: AccessLogSettings | None = None
    authorizers_flushed: int = 0
    """How often what its authorizers said was thrown away: what was said before the last time does not count."""


class DomainName(msgspec.Struct, frozen=True, kw_only=True):
    """A host name of the account's own. Which stage a call to it reaches is in its `BasePathMapping`s."""

    domain_name: str
    account_id: str
    created_at: datetime
    endpoint_type: str = "REGIONAL"
    certificate_name: str | None = None
    certificate_arn: str | None = None
    security_policy: str = "TLS_1_2"
    tags: dict[str, str] = {}

    SECURITY_POLICIES: ClassVar = frozenset({"TLS_1_0", "TLS_1_2"})
    """Those that can be kept, of all that AWS has."""

    @property
    def edge_target(self) -> str:
        """What DNS would lead an edge-optimised name to."""
        return f"{self._label}.cloudfront.net"

    def regional_target(self, region: str) -> str:
        """What DNS would lead a regional name to."""
        return f"{self._label}.execute-api.{region}.amazonaws.com"

    @property
    def _label(self) -> str:
        # AWS gives each name a target of its own for DNS; ours is the name's hash, so that it stays the same.
        return f"d-{hashlib.sha256(self.domain_name.encode()).hexdigest()[:10]}"


class BasePathMapping(msgspec.Struct, frozen=True, kw_only=True):
    """That `https://{domain_name}/{base_path}/…` is a stage of a REST API, or (`is_http`) of an HTTP API.

    An empty `base_path` is the host itself (AWS writes it `(none)`); it may have several segments. Without a `stage`,
    which an HTTP API's never is, the stage's name is the next segment of the path.
    """

    domain_name: str
    base_path: str
    api_id: str = msgspec.field(name="rest_api_id")
    stage: str | None = None
    is_http: bool = False
    id: str = ""

    @property
    def mapping_id(self) -> str:
        """The id by which the second version of the API knows it; a mapping without one gets it from what it is."""
        return self.id or hashlib.sha256(f"{self.domain_name}/{self.base_path}".encode()).hexdigest()[:6]

    def fits(self, domain: DomainName) -> bool:
        """Whether the name can have it: only a regional one with TLS 1.2 has HTTP APIs and several segments."""
        is_plain = not self.is_http and "/" not in self.base_path
        return is_plain or (domain.endpoint_type, domain.security_policy) == ("REGIONAL", "TLS_1_2")

    @property
    def what_it_needs(self) -> str:
        """Said to whoever would change the name so that this mapping no longer fits. The text is our own."""
        where = self.base_path or "(none)"
        return f"The mapping {where} needs a REGIONAL domain name with the security policy TLS_1_2"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account's settings: the role that CloudWatch logs are written with."""

    account_id: str
    cloudwatch_role_arn: str | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key. Its value is in `value_sealed` and nowhere else.

    `value_hash` is the id of a master key, a dot, and a hash of the value under that key; by it the value is found.
    """

    id: str
    account_id: str
    name: str | None
    value_sealed: bytes
    value_hash: str
    created_at: datetime
    modified_at: datetime
    enabled: bool = False
    description: str | None = None
    customer_id: str | None = None
    stage_keys: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class Throttle(msgspec.Struct, frozen=True, kw_only=True):
    """Requests per second and the burst. None means that it was not set."""

    rate_limit: float | None = None
    burst_limit: int | None = None


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """Requests per `DAY`, `WEEK` or `MONTH`; `offset` is taken off in the period that holds `first_day`."""

    limit: int
    period: str
    offset: int = 0
    first_day: date


class ApiStage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage that a plan is for. `throttle` is keyed `/path/VERB`; the root is `//GET`."""

    api_id: str
    stage: str
    throttle: dict[str, Throttle] = {}


class UsagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How much each of its keys may call its stages."""

    id: str
    account_id: str
    name: str
    description: str | None = None
    api_stages: tuple[ApiStage, ...] = ()
    throttle: Throttle | None = None
    quota: Quota | None = None
    product_code: str | None = None
    tags: dict[str, str] = {}

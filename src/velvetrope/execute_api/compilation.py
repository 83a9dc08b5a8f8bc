"""A deployment, made ready to be served under a stage's settings.

Whatever this version does not understand (an authorization type, an authorizer, an integration) is compiled into a
refusal, never left out.
"""

from velvetrope.execute_api.authorizers import CompiledAuthorizer, compile_authorizer
from velvetrope.execute_api.authorizers.compiling import FunctionAuthorizer, PoolAuthorizer, UnusableAuthorizer
from velvetrope.execute_api.gateway_responses import GatewayResponses
from velvetrope.execute_api.integrations import compile_integration
from velvetrope.execute_api.logs.execution import ExecutionLogging
from velvetrope.execute_api.logs.formats import compile_access_log
from velvetrope.execute_api.meters import Meter, Meters
from velvetrope.execute_api.snapshot import Authorization, CompiledMethod, CompiledStage, bucket_limits
from velvetrope.execute_api.validation import compile_validation
from velvetrope.metering import BucketLimits
from velvetrope.policy import read_policy
from velvetrope.routes import RouteTree
from velvetrope.store.tables.apigateway import Deployment, Method, MethodSettings, Resource, RestApi, Stage, Throttle

__all__ = ["compile_stage"]

_AUTHORIZATIONS: dict[str, Authorization] = {
    "NONE": "NONE",
    "AWS_IAM": "AWS_IAM",
    "CUSTOM": "CUSTOM",
    "COGNITO_USER_POOLS": "COGNITO_USER_POOLS",
}


def compile_stage(deployment: Deployment, stage: Stage, *, region: str, meters: Meters) -> CompiledStage:
    """One stage, ready to be served."""
    api = deployment.rest_api
    arn_prefix = f"arn:aws:execute-api:{region}:{api.account_id}:{api.id}/{stage.stage_name}/"
    source = f"the resource policy of API {api.id}"
    log = stage.access_log_settings
    compiler = _MethodCompiler(api, stage, arn_prefix, meters)
    return CompiledStage(
        api_id=api.id,
        name=stage.stage_name,
        account_id=api.account_id,
        deployment_id=deployment.id,
        arn_prefix=arn_prefix,
        tree=RouteTree(
            (resource.path, method.http_method, compiler.compile(resource, method))
            for resource in api.resources.values()
            for method in resource.methods.values()
        ),
        resource_policy=None if api.policy is None else read_policy(api.policy, kind="resource", source=source),
        gateway_responses=GatewayResponses(api.gateway_responses),
        variables=stage.variables,
        binary_media_types=api.binary_media_types,
        authorizers_flushed=stage.authorizers_flushed,
        by_domain_only=api.disable_execute_api_endpoint,
        endpoint_type=api.endpoint_type,
        takes_key_from_authorizer=api.api_key_source == "AUTHORIZER",
        access_log=None if log is None else compile_access_log(log.destination_arn, log.format),
        is_logged=log is not None or any(_is_logged(settings) for settings in stage.method_settings.values()),
    )


class _MethodCompiler:
    """Methods of one API under one stage's settings."""

    def __init__(self, api: RestApi, stage: Stage, arn_prefix: str, meters: Meters) -> None:
        self._api = api
        self._stage = stage
        self._arn_prefix = arn_prefix
        self._meters = meters
        arn_of_api = arn_prefix.removesuffix(f"/{stage.stage_name}/")
        self._authorizers = {
            name: compile_authorizer(authorizer, stage, arn_of_api=arn_of_api)
            for name, authorizer in api.authorizers.items()
        }

    def compile(self, resource: Resource, method: Method) -> CompiledMethod:
        """One method, ready to be served."""
        stage = self._stage
        settings = settings_of(stage, resource.path, method.http_method)
        limits = _stage_limits(settings)
        name = f"stage/{stage.rest_api_id}/{stage.stage_name}{resource.path}/{method.http_method}"
        return CompiledMethod(
            resource_id=resource.id,
            resource_path=resource.path,
            declared_method=method.http_method,
            operation_name=method.operation_name,
            authorization=_AUTHORIZATIONS.get(method.authorization_type, "unknown"),
            authorization_type=method.authorization_type,
            authorizer=self._authorizer_of(method),
            authorization_scopes=method.authorization_scopes,
            api_key_required=method.api_key_required,
            validation=compile_validation(method, self._api),
            integration=compile_integration(resource, method, stage, self._arn_prefix),
            execution_logging=_execution_logging(settings),
            meter=None if limits is None else Meter((self._meters.bucket(name, limits),), None),
            matched=(
                "route",
                "allowed",
                f"{method.http_method} {resource.path} of API {stage.rest_api_id}, stage {stage.stage_name}",
            ),
        )

    def _authorizer_of(self, method: Method) -> CompiledAuthorizer | None:
        found = self._authorizers.get(method.authorizer_id or "")
        kind = {"COGNITO_USER_POOLS": PoolAuthorizer, "CUSTOM": FunctionAuthorizer}.get(method.authorization_type)
        if kind is not None and isinstance(found, kind | UnusableAuthorizer):
            return found
        # None, or one of another kind than the method says: nobody passes.
        return None


def settings_of(stage: Stage, path: str, method: str) -> MethodSettings | None:
    """The stage's settings of one method: the most specific ones, as a whole."""
    for key in (f"{path}/{method}", f"{path}/*", f"*/{method}", "*/*"):
        settings = stage.method_settings.get(key)
        if settings is not None:
            return settings
    return None


def _stage_limits(settings: MethodSettings | None) -> BucketLimits | None:
    if settings is None:
        return None
    rate, burst = settings.throttling_rate_limit, settings.throttling_burst_limit
    return bucket_limits(
        Throttle(
            rate_limit=None if rate is None or rate < 0 else rate,
            burst_limit=None if burst is None or burst < 0 else burst,
        )
    )


def _is_logged(settings: MethodSettings) -> bool:
    return settings.logging_level in ("ERROR", "INFO")


def _execution_logging(settings: MethodSettings | None) -> ExecutionLogging | None:
    if settings is None or not _is_logged(settings):
        return None
    return ExecutionLogging(writes_all=settings.logging_level == "INFO", has_data=settings.data_trace_enabled is True)

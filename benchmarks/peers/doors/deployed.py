"""The gateway of a peer that takes API Gateway's operations: one REST API, deployed by boto3."""

import functools
import io
import itertools
import zipfile
from collections.abc import Mapping
from typing import Any

from botocore.credentials import Credentials

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors.gateway import Gateway
from benchmarks.peers.doors.principals import LIST, Principals
from benchmarks.peers.doors.user_pools import UserPools

__all__ = ["DeployedGateway"]

STAGE = "live"
INVOKE = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
SOURCE = """
import botocore.session
from botocore.exceptions import ClientError

def handler(event, context):
    return {"statusCode": 200, "body": "let in"}

def calling(event, context):
    # The endpoint, the region and the role's credentials are in the environment, as SDKs look for them.
    client = botocore.session.get_session().create_client("iam")
    try:
        client.list_users()
    except ClientError as err:
        error, status = err.response["Error"], err.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"statusCode": status, "headers": {"x-amzn-ErrorType": error["Code"]}, "body": error["Message"]}
    return {"statusCode": 200, "body": "let in"}
"""


class DeployedGateway(Gateway):
    """MOCK integrations, but for the function; each kind of route is an API of its own, made when it is asked for."""

    def __init__(self, aws: Aws, users: UserPools, principals: Principals) -> None:
        self.aws, self.users, self.principals, self.region = aws, users, principals, aws.region
        self.gateway = aws.client("apigateway")
        self._apis: dict[str, str] = {}
        self._numbers = itertools.count()

    def url(self, route: str) -> str:
        return f"{self.aws.stage_url(self._api(route), STAGE)}{route}"

    @functools.cached_property
    def _caller(self) -> Credentials:
        return self.principals.new_user(INVOKE)[1]

    def caller(self) -> Credentials:
        return self._caller

    def stranger(self) -> Credentials:
        return self.principals.new_user()[1]

    def key(self, **limits: Any) -> str:
        return self._new_key(enabled=True, **limits)

    def disabled_key(self) -> str:
        return self._new_key(enabled=False)

    def _new_key(self, *, enabled: bool, **limits: Any) -> str:
        name = f"key-{next(self._numbers)}"
        key = self.gateway.create_api_key(name=name, value=f"{name}-of-enough-characters", enabled=enabled)
        stages = [{"apiId": self._api("/keyed"), "stage": STAGE}]
        plan = self.gateway.create_usage_plan(name=name, apiStages=stages, **limits)
        self.gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        return str(key["value"])

    def token(self) -> str:
        return self.users.tokens(self.users.new_user())["IdToken"]

    def expired_token(self) -> str:
        return self.users.expired_token

    def another_pools_token(self) -> str:
        users = UserPools(self.aws)
        return users.tokens(users.new_user())["IdToken"]

    def function_url(self, *, permitted: bool) -> str:
        return self._function_route("handler", permitted=permitted)

    def calling_function_url(self, *, allowed: bool) -> str:
        return self._function_route("calling", *([LIST] if allowed else []))

    def _function_route(self, handler: str, *statements: Mapping[str, Any], permitted: bool = True) -> str:
        """A route to a new function whose role allows what the statements say."""
        functions = self.aws.client("lambda")
        name = f"function-{next(self._numbers)}"
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("main.py", SOURCE)
        arn = functions.create_function(
            FunctionName=name,
            Role=self.principals.new_role({"Principal": {"Service": "lambda.amazonaws.com"}}, *statements),
            Runtime="python3.12",
            Handler=f"main.{handler}",
            Code={"ZipFile": buffer.getvalue()},
        )["FunctionArn"]
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        uri = f"arn:aws:apigateway:{self.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
        api_id, resource_id = self._new_api(name)
        route = {"restApiId": api_id, "resourceId": resource_id, "httpMethod": "GET"}
        self.gateway.put_method(**route, authorizationType="NONE")
        self.gateway.put_integration(**route, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        self.gateway.create_deployment(restApiId=api_id, stageName=STAGE)
        if permitted:
            account = arn.split(":")[4]
            functions.add_permission(
                FunctionName=name,
                StatementId="api",
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
                SourceArn=f"arn:aws:execute-api:{self.region}:{account}:{api_id}/*",
            )
        return f"{self.aws.stage_url(api_id, STAGE)}/{name}"

    def _api(self, route: str) -> str:
        """The id of the API that has this route."""
        if route not in self._apis:
            api_id, resource_id = self._new_api(route[1:])
            authorization = self._authorization(route, api_id)
            for method in ("GET", "POST"):
                self._put_mock(api_id, resource_id, method, **authorization)
            self.gateway.create_deployment(restApiId=api_id, stageName=STAGE)
            self._apis[route] = api_id
        return self._apis[route]

    def _authorization(self, route: str, api_id: str) -> dict[str, Any]:
        if route == "/signed":
            return {"authorizationType": "AWS_IAM"}
        if route == "/keyed":
            return {"authorizationType": "NONE", "apiKeyRequired": True}
        pool = self.users.admin.describe_user_pool(UserPoolId=self.users.pool_id)["UserPool"]
        authorizer = self.gateway.create_authorizer(
            restApiId=api_id,
            name="people",
            type="COGNITO_USER_POOLS",
            providerARNs=[pool["Arn"]],
            identitySource="method.request.header.Authorization",
        )
        return {"authorizationType": "COGNITO_USER_POOLS", "authorizerId": authorizer["id"]}

    def _new_api(self, name: str) -> tuple[str, str]:
        """Ids of an API and of its one resource, `/{name}`."""
        api_id = self.gateway.create_rest_api(name=name)["id"]
        resources = self.gateway.get_resources(restApiId=api_id)["items"]
        root = next(resource["id"] for resource in resources if resource["path"] == "/")
        return api_id, self.gateway.create_resource(restApiId=api_id, parentId=root, pathPart=name)["id"]

    def _put_mock(self, api_id: str, resource_id: str, method: str, **authorization: Any) -> None:
        route = {"restApiId": api_id, "resourceId": resource_id, "httpMethod": method}
        templates = {"application/json": '{"statusCode": 200}'}
        self.gateway.put_method(**route, **authorization)
        self.gateway.put_integration(**route, type="MOCK", requestTemplates=templates)
        self.gateway.put_method_response(**route, statusCode="200")
        answer = {"application/json": '{"message": "let in"}'}
        self.gateway.put_integration_response(**route, statusCode="200", responseTemplates=answer)

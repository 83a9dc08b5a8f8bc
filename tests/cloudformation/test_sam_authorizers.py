"""SAM templates with authorizers and OpenAPI bodies, expanded by AWS's translator and applied to the real services."""

from typing import Any

from support.cloudformation import root_call
from velvetrope.cloudformation import AppliedStack
from velvetrope.server.assembly import Server

_TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Users: {Type: AWS::Cognito::UserPool, Properties: {UserPoolName: people}}
  Judge:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: index.judge, InlineCode: 'def judge(event, context): return {}'}
  Pets:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.pets
      InlineCode: 'def pets(event, context): return {"statusCode": 200}'
      Events:
        List: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /pets, Method: get}}
        Add:
          Type: Api
          Properties:
            RestApiId: !Ref Api
            Path: /pets
            Method: post
            Auth: {Authorizer: People, AuthorizationScopes: [pets/write]}
        Count: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /count, Method: get, Auth: {Authorizer: Asked}}}
        Open: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /open, Method: get, Auth: {Authorizer: NONE}}}
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      OpenApiVersion: 3.0.1
      Models: {Pet: {type: object, properties: {name: {type: string}}}}
      Domain:
        DomainName: pets.example.com
        CertificateArn: arn:aws:acm:us-west-2:123456789012:certificate/one
        EndpointConfiguration: REGIONAL
        BasePath: [v1, v2]
      AccessLogSetting:
        DestinationArn: !Sub 'arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:pets'
        Format: $context.requestId
      Auth:
        DefaultAuthorizer: Token
        Authorizers:
          Token: {FunctionArn: !GetAtt Judge.Arn, Identity: {Header: X-Token, ReauthorizeEvery: 0}}
          Asked:
            FunctionArn: !GetAtt Judge.Arn
            FunctionPayloadType: REQUEST
            Identity: {Headers: [X-Tenant], QueryStrings: [q]}
          People: {UserPoolArn: !GetAtt Users.Arn}
"""


async def _apply(server: Server, template: str) -> AppliedStack:
    return await server.stacks.apply(template, stack_name="pets", call=root_call(server))


async def _ask(server: Server, operation: str, **parameters: object) -> Any:
    return await server.dispatcher.invoke("apigateway", operation, parameters, root_call(server))


async def test_authorizers_of_a_sam_template_are_made_and_asked_for(server: Server) -> None:
    applied = await _apply(server, _TEMPLATE)

    api_id = applied.resources["Api"].physical_id
    authorizers = {one["name"]: one for one in (await _ask(server, "GetAuthorizers", restApiId=api_id))["items"]}
    resources = (await _ask(server, "GetResources", restApiId=api_id, embed=["methods"]))["items"]
    methods = {
        f"{verb} {item['path']}": method
        for item in resources
        for verb, method in item.get("resourceMethods", {}).items()
    }
    assert (authorizers["Token"]["type"], authorizers["Token"]["authorizerResultTtlInSeconds"]) == ("TOKEN", 0)
    assert authorizers["Token"]["identitySource"] == "method.request.header.X-Token"
    assert authorizers["Asked"]["identitySource"] == "method.request.header.X-Tenant, method.request.querystring.q"
    assert authorizers["People"]["providerARNs"][0].endswith(f"userpool/{applied.resources['Users'].physical_id}")
    assert {name: (one["authorizationType"], one.get("authorizerId")) for name, one in methods.items()} == {
        "GET /pets": ("CUSTOM", authorizers["Token"]["id"]),
        "POST /pets": ("COGNITO_USER_POOLS", authorizers["People"]["id"]),
        "GET /count": ("CUSTOM", authorizers["Asked"]["id"]),
        "GET /open": ("NONE", None),
    }
    assert methods["POST /pets"]["authorizationScopes"] == ["pets/write"]
    stage = await _ask(server, "GetStage", restApiId=api_id, stageName="live")
    assert stage["accessLogSettings"]["format"] == "$context.requestId"
    mappings = (await _ask(server, "GetBasePathMappings", domainName="pets.example.com"))["items"]
    assert [(one["basePath"], one["restApiId"], one["stage"]) for one in mappings] == [
        ("v1", api_id, "live"),
        ("v2", api_id, "live"),
    ]


async def test_a_template_that_takes_an_authorizer_away_changes_who_is_asked(server: Server) -> None:
    await _apply(server, _TEMPLATE)

    applied = await _apply(
        server,
        _TEMPLATE.replace(
            "Auth: {Authorizer: People, AuthorizationScopes: [pets/write]}", "Auth: {ApiKeyRequired: true}"
        ),
    )

    resources = (await _ask(server, "GetResources", restApiId=applied.resources["Api"].physical_id, embed=["methods"]))[
        "items"
    ]
    post = next(item["resourceMethods"]["POST"] for item in resources if item["path"] == "/pets")
    assert (post["authorizationType"], post["apiKeyRequired"]) == ("CUSTOM", True)

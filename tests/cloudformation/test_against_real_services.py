"""One of every resource type, made, changed property by property, put back and deleted, by the services themselves."""

from pathlib import Path

from support.cloudformation import root_call
from support.saml import metadata
from support.zips import make_zip
from velvetrope.cloudformation import AppliedStack
from velvetrope.cloudformation.resources import HANDLERS
from velvetrope.server.assembly import Server
from velvetrope.templates import parse_template

EVERY_TYPE = (Path(__file__).parent / "cases" / "every_type.yaml").read_text().replace("{metadata}", metadata())
CHANGES = {
    "MinimumLength: '10'": "MinimumLength: '12'",
    "Timeout: 5": "Timeout: 6",
    "RateLimit: 10": "RateLimit: 11",
    "Description: first": "Description: second",
    "MaxSessionDuration: 3600": "MaxSessionDuration: 7200",
    "PathPart: pets": "PathPart: dogs",
    "Precedence: 1": "Precedence: 2",
    "ThrottlingRateLimit: 5": "ThrottlingRateLimit: 6",
    "GenerateSecret: false": "GenerateSecret: true",
    "AllowUnauthenticatedIdentities: false": "AllowUnauthenticatedIdentities: true",
    "execute-api:Invoke": "execute-api:*",
    "StatusCode: 403": "StatusCode: 401",
    "Name: shop": "Name: market",
    "Enabled: true": "Enabled: false",
    "return 1": "return 2",
    "SourceAccount: '123456789012'": "SourceAccount: '123456789013'",
    "Tags: [{Key: a, Value: b}]": "Tags: [{Key: a, Value: c}]",
    "ReservedConcurrentExecutions: 2": "ReservedConcurrentExecutions: 3",
    "title: imported": "title: imported again",
    "role/logs": "role/other-logs",
    "us-west-2_Abcdefghi": "us-west-2_Abcdefghj",
    "AuthorizerResultTtlInSeconds: 300": "AuthorizerResultTtlInSeconds: 60",
    "required: [name]": "required: [name, age]",
    "ValidateRequestBody: true": "ValidateRequestParameters: true",
    "pets/write": "pets/read",
    "LoggingLevel: ERROR": "LoggingLevel: INFO",
    "$context.requestId $context.status": "$context.extendedRequestId",
    "certificate/one": "certificate/two",
    "BasePath: v1": "BasePath: v2",
    "Variables: {colour: red}": "Variables: {colour: blue}",
    "'lambda:list*'": "'lambda:get*'",
    "Description: a layer": "Description: another layer",
    "AuthType: AWS_IAM": "AuthType: NONE",
    ", Cors: {AllowOrigins: ['*']}": "",
    "MaximumRetryAttempts: 1": "MaximumRetryAttempts: 2",
    "RetentionInDays: 7, ": "",
    "      DeadLetterConfig: {TargetArn: !GetAtt Letters.Arn}\n": "",
    "      Layers: [!Ref Layer]\n": "",
    "VisibilityTimeout: 60": "DelaySeconds: 1",
    "Description: http first, ": "",
    ", CorsConfiguration: {AllowOrigins: ['https://a.example']}": "",
    "Tags: {a: http}": "Tags: {b: http}",
    "Audience: [client]": "Audience: [client, other]",
    ", 'append:header.x-b': '2'": "",
    "'200': {ResponseParameters: [{Destination: 'overwrite:header.x-c'": "'201': {ResponseParameters: [{Destination: "
    "'append:header.x-c'",
    ", AuthorizationScopes: [read]": "",
    "Description: http deployed": "Description: deployed again",
    "StageVariables: {colour: green}": "StageVariables: {taste: green}",
    "      RouteSettings: {GET /pets: {ThrottlingBurstLimit: 7}}\n": "",
    "Tags: {stage: http}": "Tags: {}",
    "ApiMappingKey: a/b, ": "",
    "Tags: {domain: http}": "Tags: {}",
    "title: http document": "title: http document again",
    "Action: sqs:PurgeQueue": "Action: sqs:DeleteQueue",
    "client_secret: the-secret": "client_secret: another",
    "      AttributeMapping: {email: email}\n": "",
    "#112233": "#445566",
    "UseCognitoProvidedValues: true": "Settings: {categories: {form: {displayGraphics: false}}}",
    "'https://example.com/terms'": "'https://example.com/new-terms'",
    "Client, TermsName": "Machine, TermsName",
    "LogConfigurations: [{EventSource: user": "LogConfigurations: []\n      # [{EventSource: user",
    "team: 'custom:team'": "level: 'custom:level'",
    "Path: /staff/, ManagedPolicyArns: [arn:aws:iam::aws:policy/ReadOnlyAccess]": "Path: /people/",
    "Users: [!Ref User]": "Users: []",
    "RoleName: !Ref Role, PolicyName: own": "RoleName: !Ref Role, PolicyName: renamed",
    "Effect: Deny, Action: 'kms:List*'": "Effect: Deny, Action: 'kms:Describe*'",
    "Status: Active": "Status: Inactive",
    "[one, two], ThumbprintList: [aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd]": "[two, three]",
    "Value: issuer": "Value: another",
    "Value: office": "Value: another",
    "Description: seals": "Description: sealed",
    "      Enabled: false\n": "",
    "      KeyPolicy: {Version: 2012-10-17, Statement": "      KeyPolicy: {Version: 2012-10-17, Id: mine, Statement",
    "Value: sealing": "Value: another",
    "TargetKeyId: !Ref SealingKey": "TargetKeyId: !Ref OtherKey",
    "alias/sealing": "alias/sealed",
    "'aws:username': nobody": "'aws:username': somebody",
    ', FilterCriteria: {Filters: [{Pattern: \'{"body":{"a":[1]}}\'}]}': "",
}


async def apply(server: Server, template: str) -> AppliedStack:
    layer = {("local", "layer.zip"): make_zip({"python/pricing.py": "price = 1"})}
    return await server.stacks.apply(template, stack_name="every", call=root_call(server), artifacts=layer)


def test_the_case_has_every_type() -> None:
    assert {one.type for one in parse_template(EVERY_TYPE).resources.values()} == HANDLERS.keys()


async def test_every_type_is_made_changed_put_back_and_deleted(server: Server) -> None:
    applied = await apply(server, EVERY_TYPE)
    template = EVERY_TYPE
    for before, after in CHANGES.items():
        assert before in template, before
        template = template.replace(before, after)
        assert (await apply(server, template)).changed, before
    back = await apply(server, EVERY_TYPE)
    call = root_call(server)
    stack = await server.stacks.store.load_stack(call.account_id, call.region, "every")
    assert stack is not None
    await server.stacks.delete(stack, call)
    await server.stacks.settled(stack.stack_id)

    assert back.resources.keys() == applied.resources.keys()
    gone = await server.stacks.store.load_stack(call.account_id, call.region, stack.stack_id)
    assert gone is not None
    assert (gone.status, gone.status_reason) == ("DELETE_COMPLETE", "")
    assert await server.stacks.store.load_resources(stack.stack_id) == []
    events = await server.stacks.store.load_events(stack.stack_id, limit=1000)
    assert [f"{event.logical_id} {event.status_reason}" for _, event in events if "FAILED" in event.status] == []

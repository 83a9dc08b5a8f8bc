"""REST APIs made by boto3 against a real server: imported, exported, called under a name of their own, and refused."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
import requests

from support.clients import aws_client
from support.running import ROOT_KEY, RunningServer, clean_environment

_PET_STORE = Path(__file__).parents[1] / "apigateway" / "cases" / "pet_store.yaml"
_DOMAIN = "pets.example.com"


@pytest.fixture(scope="module")
def gateway(serving: RunningServer) -> Any:
    return aws_client(serving, "apigateway")


class _Pets(http.server.BaseHTTPRequestHandler):
    """The example's backend: says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        said = json.dumps({"method": self.command, "path": self.path, "body": body.decode()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base class has it
        """Nothing is printed."""


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pets) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def pet_store(gateway: Any, backend: str) -> Iterator[str]:
    """The id of the deployed example."""
    document = _PET_STORE.read_text().replace("{backend}", backend)
    made = gateway.import_rest_api(body=document.encode(), parameters={"endpointConfigurationTypes": "REGIONAL"})
    gateway.create_deployment(restApiId=made["id"], stageName="latest")
    yield made["id"]
    for domain in gateway.get_domain_names()["items"]:
        gateway.delete_domain_name(domainName=domain["domainName"])
    gateway.delete_rest_api(restApiId=made["id"])


def _code(refused: pytest.ExceptionInfo[botocore.exceptions.ClientError]) -> tuple[str, str]:
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def test_an_imported_example_answers(serving: RunningServer, pet_store: str) -> None:
    url = f"{serving.url}/_api/{pet_store}/latest"

    page = requests.get(f"{url}/")
    preflight = requests.options(f"{url}/pets")
    unknown = requests.delete(f"{url}/pets")

    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")
    assert page.text == "<h1>Pets live here</h1>"
    assert preflight.headers["Access-Control-Allow-Methods"] == "POST,GET,OPTIONS"
    assert (unknown.status_code, unknown.json()) == (403, {"message": "Missing Authentication Token"})


def test_the_examples_backend_is_asked_what_the_document_says(serving: RunningServer, pet_store: str) -> None:
    url = f"{serving.url}/_api/{pet_store}/latest"

    listed = requests.get(f"{url}/pets?type=dog&page=2&other=x")
    one = requests.get(f"{url}/pets/7")
    made = requests.post(f"{url}/pets", json={"type": "cat", "price": 3})

    assert listed.json()["path"] in {"/pets?type=dog&page=2", "/pets?page=2&type=dog"}
    assert listed.headers["Access-Control-Allow-Origin"] == "*"
    assert one.json()["path"] == "/pets/7"
    assert json.loads(made.json()["body"]) == {"type": "cat", "price": 3}


def test_what_the_example_does_not_allow_never_reaches_its_backend(serving: RunningServer, pet_store: str) -> None:
    url = f"{serving.url}/_api/{pet_store}/latest"

    untyped = requests.get(f"{url}/pets?page=2")
    unknown_pet = requests.post(f"{url}/pets", json={"type": "dragon"})
    no_pet = requests.post(f"{url}/pets", json={"price": 3})

    assert (untyped.status_code, untyped.json()) == (400, {"message": "Missing required request parameters: [type]"})
    for refused in (unknown_pet, no_pet):
        assert (refused.status_code, refused.json()) == (400, {"message": "Invalid request body"})


def test_a_method_is_tried_before_it_is_called(gateway: Any, pet_store: str) -> None:
    resources = gateway.get_resources(restApiId=pet_store)["items"]
    pets = next(item["id"] for item in resources if item["path"] == "/pets")
    where = {"restApiId": pet_store, "resourceId": pets, "httpMethod": "GET"}

    tried = gateway.test_invoke_method(**where, pathWithQueryString="/pets?type=dog")
    refused = gateway.test_invoke_method(**where)

    assert (tried["status"], json.loads(tried["body"])["path"]) == (200, "/pets?type=dog")
    assert tried["log"].endswith("Method completed with status: 200")
    assert (refused["status"], json.loads(refused["body"])["message"]) == (
        400,
        "Missing required request parameters: [type]",
    )


@pytest.mark.parametrize(("kind", "accepts"), [("oas30", "application/json"), ("swagger", "application/yaml")])
def test_what_is_exported_is_imported_again(gateway: Any, pet_store: str, kind: str, accepts: str) -> None:
    export = gateway.get_export(
        restApiId=pet_store,
        stageName="latest",
        exportType=kind,
        parameters={"extensions": "apigateway"},
        accepts=accepts,
    )
    copy = gateway.import_rest_api(body=export["body"].read())
    paths = [
        {(item["path"], verb) for item in items for verb in item.get("resourceMethods", {})}
        for items in (gateway.get_resources(restApiId=api)["items"] for api in (pet_store, copy["id"]))
    ]
    gateway.delete_rest_api(restApiId=copy["id"])

    assert export["contentType"] == accepts
    assert export["contentDisposition"].startswith("attachment; filename=")
    assert paths[0] == paths[1]


def test_the_aws_cli_imports_with_parameters(serving: RunningServer, gateway: Any, tmp_path: Path) -> None:
    document = tmp_path / "store.yaml"
    document.write_text(_PET_STORE.read_text().replace("{backend}", "http://127.0.0.1:9"))
    key_id, secret = ROOT_KEY
    environment = clean_environment(
        AWS_ACCESS_KEY_ID=key_id, AWS_SECRET_ACCESS_KEY=secret, AWS_DEFAULT_REGION="us-west-2", AWS_PAGER=""
    )
    command = ["apigateway", "import-rest-api", "--body", f"fileb://{document}", "--output", "json"]
    options = ["--parameters", "basepath=prepend,endpointConfigurationTypes=REGIONAL", "--endpoint-url", serving.url]

    done = subprocess.run(
        [sys.executable, "-m", "awscli", *command, *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    api_id = json.loads(done.stdout)["id"]
    paths = {item["path"] for item in gateway.get_resources(restApiId=api_id)["items"]}
    gateway.delete_rest_api(restApiId=api_id)
    assert {"/store/v1", "/store/v1/pets", "/store/v1/pets/{petId}"} <= paths


def test_models_validators_and_authorizers_are_there_by_name(gateway: Any, pet_store: str) -> None:
    models = {model["name"] for model in gateway.get_models(restApiId=pet_store)["items"]}
    validators = {one["name"] for one in gateway.get_request_validators(restApiId=pet_store)["items"]}

    assert models == {"Empty", "Error", "NewPet", "Pet", "PetType", "Pets"}
    assert validators == {"body", "parameters"}
    flat = json.loads(gateway.get_model(restApiId=pet_store, modelName="NewPet", flatten=True)["schema"])
    assert flat["properties"]["type"] == {"$ref": "#/definitions/PetType"}


def test_a_call_to_the_apis_own_name_reaches_the_mapped_stage(
    serving: RunningServer, gateway: Any, pet_store: str
) -> None:
    url, named = serving.url, {"Host": _DOMAIN}
    before = requests.get(f"{url}/store/", headers=named)
    gateway.create_domain_name(domainName=_DOMAIN, endpointConfiguration={"types": ["REGIONAL"]})
    unmapped = requests.get(f"{url}/store/", headers=named)
    gateway.create_base_path_mapping(domainName=_DOMAIN, basePath="store", restApiId=pet_store, stage="latest")

    mapped = requests.get(f"{url}/store/", headers=named)
    with_port = requests.get(f"{url}/store", headers={"Host": f"{_DOMAIN}:{serving.port}"})
    other_path = requests.get(f"{url}/shop/", headers=named)
    other_api = requests.get(f"{url}/_api/{pet_store}/latest/", headers=named)
    control = requests.post(url, headers=named | {"X-Amz-Target": "AWSCognitoIdentityProviderService.ListUserPools"})
    gateway.delete_base_path_mapping(domainName=_DOMAIN, basePath="store")
    gone = requests.get(f"{url}/store/", headers=named)

    assert before.status_code == 404
    for response in (mapped, with_port):
        assert (response.status_code, response.text) == (200, "<h1>Pets live here</h1>")
    for response in (unmapped, other_path, other_api, control, gone):
        assert (response.status_code, response.content) == (403, b'{"message":"Forbidden"}')


def test_a_name_of_this_server_is_nobodys_to_take(gateway: Any) -> None:
    for name in ("localhost", "cognito-idp.localhost", "lambda.us-west-2.amazonaws.com"):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            gateway.create_domain_name(domainName=name)

        assert _code(refused)[0] == "BadRequestException"


def test_refusals_are_apigateways_own(gateway: Any, pet_store: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as no_authorizer:
        gateway.get_authorizer(restApiId=pet_store, authorizerId="nope")
    with pytest.raises(botocore.exceptions.ClientError) as canary:
        gateway.update_stage(
            restApiId=pet_store,
            stageName="latest",
            patchOperations=[{"op": "replace", "path": "/canarySettings/percentTraffic", "value": "5"}],
        )
    with pytest.raises(botocore.exceptions.ClientError) as vpc_link:
        gateway.create_vpc_link(name="private", targetArns=["arn:aws:elasticloadbalancing:x"])
    with pytest.raises(botocore.exceptions.ClientError) as cached:
        gateway.create_deployment(restApiId=pet_store, stageName="latest", cacheClusterSize="0.5")

    assert _code(no_authorizer) == ("NotFoundException", "Invalid Authorizer identifier specified")
    assert _code(canary) == ("BadRequestException", "A canary release of a stage is not supported by velvetrope")
    assert vpc_link.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "velvetrope does not support CreateDeployment.cacheClusterSize" in _code(cached)[1]


_VALIDATED = """
swagger: "2.0"
info: {title: validated, version: "1.0.0"}
schemes: [https]
basePath: /v1
produces: [application/json]
x-amazon-apigateway-request-validators:
  all: {validateRequestBody: true, validateRequestParameters: true}
  params-only: {validateRequestBody: false, validateRequestParameters: true}
x-amazon-apigateway-request-validator: params-only
x-amazon-apigateway-gateway-responses:
  BAD_REQUEST_BODY: {statusCode: 422, responseTemplates: {application/json: '{"said": $context.error.messageString}'}}
securityDefinitions:
  api_key: {type: apiKey, name: x-api-key, in: header}
paths:
  /orders:
    post:
      x-amazon-apigateway-request-validator: all
      x-amazon-apigateway-auth: {type: none}
      security: [{api_key: []}]
      parameters:
        - {in: header, name: tenant, required: true}
        - {in: body, name: Order, required: true, schema: {$ref: "#/definitions/Order"}}
      responses:
        "200": {schema: {type: array, items: {$ref: "#/definitions/Error"}}, headers: {x-kind: {type: string}}}
      x-amazon-apigateway-integration:
        type: http
        uri: "BACKEND/orders"
        httpMethod: POST
        requestParameters: {integration.request.header.x-tenant: method.request.header.tenant}
        responses:
          2\\d{2}: {statusCode: "200", responseParameters: {method.response.header.x-kind: "'order'"}}
          default: {statusCode: "400", responseTemplates: {application/json: "{}"}}
definitions:
  Order: {type: object, required: [sku], properties: {sku: {type: string, pattern: "^[A-Z]{2}-\\\\d+$"}}}
  Error: {type: object, properties: {}}
"""


def test_a_file_in_the_shape_that_people_publish_imports_deploys_refuses_and_answers(
    serving: RunningServer, gateway: Any, backend: str
) -> None:
    body = _VALIDATED.replace("BACKEND", backend).encode()
    api_id = gateway.import_rest_api(body=body, failOnWarnings=True)["id"]
    gateway.create_deployment(restApiId=api_id, stageName="latest")
    key = gateway.create_api_key(name="orders", enabled=True)
    plan = gateway.create_usage_plan(name="orders", apiStages=[{"apiId": api_id, "stage": "latest"}])
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    url, mine = f"{serving.url}/_api/{api_id}/latest/orders", {"x-api-key": key["value"], "tenant": "t"}

    keyless = requests.post(url, json={"sku": "AB-1"}, headers={"tenant": "t"})
    tenantless = requests.post(url, json={"sku": "AB-1"}, headers={"x-api-key": key["value"]})
    wrong = requests.post(url, json={"sku": "ab-1"}, headers=mine)
    let_in = requests.post(url, json={"sku": "AB-1"}, headers=mine)
    gateway.delete_rest_api(restApiId=api_id)

    assert (keyless.status_code, keyless.json()) == (403, {"message": "Forbidden"})
    assert (tenantless.status_code, tenantless.json()) == (
        400,
        {"message": "Missing required request parameters: [tenant]"},
    )
    assert (wrong.status_code, wrong.json()) == (422, {"said": "Invalid request body"})
    assert (let_in.status_code, let_in.headers["x-kind"]) == (200, "order")
    assert json.loads(let_in.json()["body"]) == {"sku": "AB-1"}

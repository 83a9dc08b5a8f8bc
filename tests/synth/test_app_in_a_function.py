"""An `Api` as the handler of a function, with events as API Gateway makes them."""

import pytest

from velvetrope.builder import Api


def _event(resource: str, path: str, **path_parameters: str) -> dict[str, object]:
    return {
        "resource": resource,
        "path": path,
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": path_parameters or None,
        "requestContext": {"requestId": "r", "path": path, "httpMethod": "GET"},
        "body": None,
        "isBase64Encoded": False,
    }


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop")
    api = Api("shop")

    @api.get("/{anything}")
    def show(anything: str) -> dict[str, str]:
        return {"shown": anything}

    return api


def test_the_route_that_api_gateway_has_matched_runs(api: Api) -> None:
    answer = api(_event("/{anything}", "/bread", anything="bread"), None)

    assert (answer["statusCode"], answer["body"]) == (200, '{"shown":"bread"}')


def test_a_matched_route_that_the_code_no_longer_has_runs_no_other_and_is_named(api: Api) -> None:
    """A stage keeps its routes until it is deployed anew; the function may have newer code by then."""
    with pytest.raises(KeyError, match=r"'GET', '/gone'"):
        api(_event("/gone", "/gone"), None)

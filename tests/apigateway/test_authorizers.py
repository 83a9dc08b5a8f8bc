"""Authorizers as an API keeps them, and the methods that name them."""

from typing import Any

import pytest

from support.gateway import FUNCTION_URI, patch
from velvetrope.apigateway import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigateway.errors import LimitExceededException

Plane = Any
_POOL = "arn:aws:cognito-idp:us-west-2:111111111111:userpool/us-west-2_Abc123xyz"
_HEADER = "method.request.header.Authorization"
_TOKEN = {"type": "TOKEN", "authorizer_uri": FUNCTION_URI, "identity_source": _HEADER}
_COGNITO = {"type": "COGNITO_USER_POOLS", "provider_arns": (_POOL,), "identity_source": _HEADER}
_REQUEST = {
    "type": "REQUEST",
    "authorizer_uri": FUNCTION_URI,
    "identity_source": "method.request.header.X-Tenant, method.request.querystring.q, stageVariables.v, context.path",
}


async def _api(plane: Plane) -> dict[str, str]:
    api = await plane.create_rest_api(name="demo")
    return {"rest_api_id": api["id"], "resource_id": api["root_resource_id"], "http_method": "GET"}


@pytest.mark.parametrize("members", [_TOKEN, _COGNITO, _REQUEST], ids=["TOKEN", "COGNITO_USER_POOLS", "REQUEST"])
async def test_an_authorizer_is_shown_as_it_was_made(plane: Plane, members: dict[str, Any]) -> None:
    api_id = (await _api(plane))["rest_api_id"]

    made = await plane.create_authorizer(rest_api_id=api_id, name="who", **members)

    assert made == await plane.get_authorizer(rest_api_id=api_id, authorizer_id=made["id"])
    assert (made["type"], made["authorizer_result_ttl_in_seconds"]) == (members["type"], 300)
    assert made["identity_source"] == members["identity_source"]
    assert (await plane.get_authorizers(rest_api_id=api_id))["items"] == [made]


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({**_TOKEN, "name": ""}, "Authorizer name cannot be an empty string"),
        ({**_TOKEN, "authorizer_uri": None}, "Invalid Authorizer URI"),
        ({**_TOKEN, "authorizer_uri": "https://example.com"}, "Invalid Authorizer URI: https://example.com"),
        ({**_TOKEN, "identity_source": None}, "Invalid identity source specified"),
        ({**_TOKEN, "identity_source": "method.request.querystring.t"}, "Invalid identity source specified"),
        ({**_TOKEN, "provider_arns": (_POOL,)}, "has no provider ARNs"),
        ({**_TOKEN, "authorizer_credentials": "arn:aws:iam::*:user/*"}, "Invalid ARN specified in the request"),
        ({**_TOKEN, "identity_validation_expression": "("}, "Invalid identity validation expression"),
        ({**_TOKEN, "authorizer_result_ttl_in_seconds": -1}, "between 0 and 3600"),
        ({**_TOKEN, "authorizer_result_ttl_in_seconds": 3601}, "between 0 and 3600"),
        ({**_COGNITO, "provider_arns": ()}, "a user pool's ARN is required"),
        ({**_COGNITO, "provider_arns": (FUNCTION_URI,)}, "a user pool's ARN is required"),
        ({**_COGNITO, "authorizer_uri": FUNCTION_URI}, "neither a URI nor credentials"),
        ({**_REQUEST, "identity_source": None}, "Identity source is required when authorizer caching is enabled"),
        ({**_REQUEST, "identity_source": "method.request.body.x"}, "Invalid identity source specified"),
        ({**_REQUEST, "identity_source": "context.shoeSize"}, "Invalid identity source specified: context.shoeSize"),
        ({**_REQUEST, "identity_source": "context.authorizer.x"}, "specified: context.authorizer.x"),
        ({**_REQUEST, "identity_validation_expression": "x"}, "not for REQUEST authorizers"),
        ({"type": "JWT"}, "The authorizer type JWT is not supported by velvetrope"),
    ],
)
async def test_authorizers_that_cannot_be(plane: Plane, members: dict[str, Any], text: str) -> None:
    api_id = (await _api(plane))["rest_api_id"]

    with pytest.raises(BadRequestException, match=text):
        await plane.create_authorizer(**{"rest_api_id": api_id, "name": "who", **members})

    assert (await plane.get_authorizers(rest_api_id=api_id))["items"] == []


@pytest.mark.parametrize("ttl", [0, 3600])
async def test_a_result_may_be_kept_from_not_at_all_to_an_hour(plane: Plane, ttl: int) -> None:
    api_id = (await _api(plane))["rest_api_id"]

    made = await plane.create_authorizer(rest_api_id=api_id, name="who", **_TOKEN, authorizer_result_ttl_in_seconds=ttl)

    assert made["authorizer_result_ttl_in_seconds"] == ttl


async def test_a_request_authorizer_without_identity_keeps_no_results(plane: Plane) -> None:
    api_id = (await _api(plane))["rest_api_id"]

    made = await plane.create_authorizer(
        rest_api_id=api_id,
        name="who",
        type="REQUEST",
        authorizer_uri=FUNCTION_URI,
        authorizer_result_ttl_in_seconds=0,
    )
    with pytest.raises(BadRequestException, match="Identity source is required"):
        await plane.update_authorizer(
            rest_api_id=api_id,
            authorizer_id=made["id"],
            patch_operations=patch("replace", "/authorizerResultTtlInSeconds", "1"),
        )


async def test_an_api_has_ten_authorizers_with_names_of_their_own(plane: Plane) -> None:
    api_id = (await _api(plane))["rest_api_id"]
    for number in range(10):
        await plane.create_authorizer(rest_api_id=api_id, name=f"a{number}", **_TOKEN)

    with pytest.raises(BadRequestException, match="Authorizer a3 already exists"):
        await plane.create_authorizer(rest_api_id=api_id, name="a3", **_TOKEN)
    with pytest.raises(LimitExceededException, match="Maximum number of Authorizers"):
        await plane.create_authorizer(rest_api_id=api_id, name="one more", **_TOKEN)
    first = await plane.get_authorizers(rest_api_id=api_id, limit=7)
    rest = await plane.get_authorizers(rest_api_id=api_id, limit=7, position=first["position"])
    assert [len(page["items"]) for page in (first, rest)] == [7, 3]


async def test_an_authorizer_is_patched_member_by_member(plane: Plane) -> None:
    api_id = (await _api(plane))["rest_api_id"]
    made = await plane.create_authorizer(rest_api_id=api_id, name="who", **_COGNITO)
    where = {"rest_api_id": api_id, "authorizer_id": made["id"]}

    changed = await plane.update_authorizer(
        **where,
        patch_operations=(
            *patch("replace", "/name", "people"),
            *patch("add", "/providerARNs", _POOL.replace("Abc", "Def")),
            *patch("remove", "/providerARNs", _POOL),
            *patch("replace", "/identitySource", "method.request.header.X-Token"),
            *patch("replace", "/authorizerResultTtlInSeconds", "60"),
        ),
    )

    assert changed["name"] == "people"
    assert changed["provider_arns"] == [_POOL.replace("Abc", "Def")]
    assert changed["identity_source"] == "method.request.header.X-Token"
    assert changed["authorizer_result_ttl_in_seconds"] == 60
    with pytest.raises(BadRequestException, match="Invalid patch path  '/id' specified for op 'replace'"):
        await plane.update_authorizer(**where, patch_operations=patch("replace", "/id", "x"))
    with pytest.raises(BadRequestException, match="a user pool's ARN is required"):
        await plane.update_authorizer(**where, patch_operations=patch("replace", "/providerARNs", ","))


async def test_an_authorizer_that_a_method_names_stays(plane: Plane) -> None:
    where = await _api(plane)
    made = await plane.create_authorizer(rest_api_id=where["rest_api_id"], name="who", **_TOKEN)
    await plane.put_method(**where, authorization_type="CUSTOM", authorizer_id=made["id"])
    named = {"rest_api_id": where["rest_api_id"], "authorizer_id": made["id"]}

    with pytest.raises(ConflictException, match="is referenced in method: //GET"):
        await plane.delete_authorizer(**named)
    with pytest.raises(BadRequestException, match="cannot be changed to the other kind"):
        await plane.update_authorizer(**named, patch_operations=patch("replace", "/type", "COGNITO_USER_POOLS"))
    await plane.delete_method(**where)
    await plane.delete_authorizer(**named)

    for operation in (plane.get_authorizer, plane.delete_authorizer):
        with pytest.raises(NotFoundException, match="Invalid Authorizer identifier specified"):
            await operation(**named)


async def test_a_method_with_an_authorizer_needs_one_of_its_kind(plane: Plane) -> None:
    where = await _api(plane)
    ids = {
        name: (await plane.create_authorizer(rest_api_id=where["rest_api_id"], name=name, **members))["id"]
        for name, members in (("function", _TOKEN), ("pool", _COGNITO))
    }
    wrong = [
        ("CUSTOM", None),
        ("CUSTOM", "nope"),
        ("CUSTOM", ids["pool"]),
        ("COGNITO_USER_POOLS", ids["function"]),
        ("NONE", ids["function"]),
        ("AWS_IAM", ids["pool"]),
    ]

    for authorization_type, authorizer_id in wrong:
        with pytest.raises(BadRequestException, match="requires a valid authorizer"):
            await plane.put_method(**where, authorization_type=authorization_type, authorizer_id=authorizer_id)
    with pytest.raises(NotSupported, match="The authorization type JWT"):
        await plane.put_method(**where, authorization_type="JWT")
    with pytest.raises(BadRequestException, match="Authorization scopes are for methods with COGNITO_USER_POOLS"):
        await plane.put_method(**where, authorization_type="AWS_IAM", authorization_scopes=("a/b",))
    made = await plane.put_method(
        **where, authorization_type="COGNITO_USER_POOLS", authorizer_id=ids["pool"], authorization_scopes=("a/b", "c")
    )

    assert (made["authorizer_id"], made["authorization_scopes"]) == (ids["pool"], ["a/b", "c"])


async def test_a_patch_that_ends_an_authorizers_part_takes_its_scopes_along(plane: Plane) -> None:
    where = await _api(plane)
    pool = await plane.create_authorizer(rest_api_id=where["rest_api_id"], name="pool", **_COGNITO)
    await plane.put_method(
        **where, authorization_type="COGNITO_USER_POOLS", authorizer_id=pool["id"], authorization_scopes=("a",)
    )

    changed = await plane.update_method(**where, patch_operations=patch("add", "/authorizationScopes", "b"))
    open_now = await plane.update_method(**where, patch_operations=patch("replace", "/authorizationType", "AWS_IAM"))

    assert changed["authorization_scopes"] == ["a", "b"]
    assert (open_now["authorization_type"], open_now["authorizer_id"], open_now["authorization_scopes"]) == (
        "AWS_IAM",
        None,
        None,
    )
    with pytest.raises(BadRequestException, match="requires a valid authorizer"):
        await plane.update_method(**where, patch_operations=patch("replace", "/authorizationType", "CUSTOM"))

"""Domain names, base path mappings and the account: what may be made, and which stage a call finds."""

from typing import Any

import pytest

from support.gateway import patch
from velvetrope.apigateway import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigateway.rest_apis import EndpointConfiguration

Plane = Any
_DOMAIN = "api.example.com"
_CERTIFICATE = "arn:aws:acm:us-west-2:111111111111:certificate/a"


async def _stage(plane: Plane, stage: str = "latest") -> str:
    api = await plane.create_rest_api(name="demo")
    where = {"rest_api_id": api["id"], "resource_id": api["root_resource_id"], "http_method": "GET"}
    await plane.put_method(**where, authorization_type="NONE")
    await plane.put_integration(**where, type="MOCK")
    await plane.create_deployment(rest_api_id=api["id"], stage_name=stage)
    return str(api["id"])


async def test_a_domain_name_is_shown_as_it_was_made_and_goes(plane: Plane) -> None:
    regional = EndpointConfiguration(types=("REGIONAL",))

    made = await plane.create_domain_name(
        domain_name="API.example.com",
        regional_certificate_arn=_CERTIFICATE,
        endpoint_configuration=regional,
        tags={"a": "b"},
    )
    changed = await plane.update_domain_name(
        domain_name=_DOMAIN, patch_operations=patch("replace", "/securityPolicy", "TLS_1_0")
    )

    assert (made["domain_name"], made["regional_certificate_arn"], made["tags"]) == (_DOMAIN, _CERTIFICATE, {"a": "b"})
    assert made["regional_domain_name"].endswith(".execute-api.us-west-2.amazonaws.com")
    assert changed["security_policy"] == "TLS_1_0"
    assert (await plane.get_domain_names())["items"] == [changed]
    arn = made["domain_name_arn"]
    await plane.tag_resource(resource_arn=arn, tags={"c": "d"})
    await plane.untag_resource(resource_arn=arn, tag_keys=["a"])
    assert (await plane.get_tags(resource_arn=arn))["tags"] == {"c": "d"}
    await plane.delete_domain_name(domain_name=_DOMAIN)
    for operation in (plane.get_domain_name, plane.delete_domain_name, plane.get_base_path_mappings):
        with pytest.raises(NotFoundException, match="Invalid domain name identifier specified"):
            await operation(domain_name=_DOMAIN)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("localhost", "Invalid domain name specified"),
        ("127.0.0.1", "Invalid domain name specified"),
        ("a_b.example.com", "Invalid domain name specified"),
        ("-a.example.com", "Invalid domain name specified"),
        (f"{'a' * 64}.example.com", "Invalid domain name specified"),
        ("example.com:4800", "Invalid domain name specified"),
        ("api.localhost", "one of this server's or of AWS's own"),
        ("people.auth.localhost", "one of this server's or of AWS's own"),
        ("cognito-idp.us-west-2.amazonaws.com", "one of this server's or of AWS's own"),
        ("a1b2c3.execute-api.example.com", "one of this server's or of AWS's own"),
        ("*.example.com", "A wildcard domain name is not supported"),
    ],
)
async def test_names_that_would_take_the_calls_of_others_are_refused(plane: Plane, name: str, text: str) -> None:
    with pytest.raises(BadRequestException, match=text):
        await plane.create_domain_name(domain_name=name)

    assert (await plane.get_domain_names())["items"] == []


async def test_what_domain_names_do_not_do_is_refused_by_name(plane: Plane) -> None:
    with pytest.raises(NotSupported, match="PRIVATE"):
        await plane.create_domain_name(
            domain_name=_DOMAIN, endpoint_configuration=EndpointConfiguration(types=("PRIVATE",))
        )
    with pytest.raises(NotSupported, match="SecurityPolicy_TLS13"):
        await plane.create_domain_name(domain_name=_DOMAIN, security_policy="SecurityPolicy_TLS13_1_3_2025_09")
    await plane.create_domain_name(domain_name=_DOMAIN)
    with pytest.raises(ConflictException, match="The domain name you provided already exists"):
        await plane.create_domain_name(domain_name=_DOMAIN)
    with pytest.raises(NotSupported, match="Mutual TLS"):
        await plane.update_domain_name(
            domain_name=_DOMAIN, patch_operations=patch("replace", "/mutualTlsAuthentication/truststoreUri", "s3://a")
        )


async def test_a_mapping_needs_an_api_a_stage_and_a_path_of_its_own(plane: Plane) -> None:
    api_id = await _stage(plane)
    await plane.create_domain_name(domain_name=_DOMAIN)
    mapping = {"domain_name": _DOMAIN, "rest_api_id": api_id}

    made = await plane.create_base_path_mapping(**mapping, base_path="v1", stage="latest")
    rootless = await plane.create_base_path_mapping(**mapping)

    assert made == {"base_path": "v1", "rest_api_id": api_id, "stage": "latest"}
    assert rootless == {"base_path": "(none)", "rest_api_id": api_id, "stage": None}
    assert (await plane.get_base_path_mappings(domain_name=_DOMAIN))["items"] == [rootless, made]
    assert await plane.get_base_path_mapping(domain_name=_DOMAIN, base_path="(none)") == rootless
    for parameters, text in (
        ({"rest_api_id": "nope"}, "Invalid REST API identifier specified"),
        ({"stage": "nope"}, "Invalid stage identifier specified"),
        ({"base_path": "a/b"}, "doesn't support the slash character"),
        ({"base_path": "a b"}, "Invalid base path specified"),
    ):
        with pytest.raises(BadRequestException, match=text):
            await plane.create_base_path_mapping(**{**mapping, "base_path": "v2", **parameters})
    with pytest.raises(ConflictException, match="Base path already exists for this domain name"):
        await plane.create_base_path_mapping(**mapping, base_path="v1")


async def test_a_mapping_moves_to_another_path_and_another_stage(plane: Plane) -> None:
    api_id, other = await _stage(plane), await _stage(plane, "prod")
    await plane.create_domain_name(domain_name=_DOMAIN)
    for base_path in ("v1", "v2"):
        await plane.create_base_path_mapping(domain_name=_DOMAIN, rest_api_id=api_id, base_path=base_path)

    moved = await plane.update_base_path_mapping(
        domain_name=_DOMAIN,
        base_path="v1",
        patch_operations=(
            *patch("replace", "/basePath", "v3"),
            *patch("replace", "/restapiId", other),
            *patch("replace", "/stage", "prod"),
        ),
    )

    assert moved == {"base_path": "v3", "rest_api_id": other, "stage": "prod"}
    with pytest.raises(NotFoundException, match="Invalid base path mapping identifier specified"):
        await plane.get_base_path_mapping(domain_name=_DOMAIN, base_path="v1")
    with pytest.raises(ConflictException):
        await plane.update_base_path_mapping(
            domain_name=_DOMAIN, base_path="v2", patch_operations=patch("replace", "/basePath", "v3")
        )
    with pytest.raises(BadRequestException, match="Invalid stage identifier specified"):
        await plane.update_base_path_mapping(
            domain_name=_DOMAIN, base_path="v3", patch_operations=patch("replace", "/stage", "latest")
        )


async def test_what_a_mapping_leads_to_is_not_deleted(plane: Plane) -> None:
    api_id = await _stage(plane)
    await plane.create_domain_name(domain_name=_DOMAIN)
    await plane.create_base_path_mapping(domain_name=_DOMAIN, rest_api_id=api_id, base_path="v1", stage="latest")

    with pytest.raises(BadRequestException, match="remove the base path mapping v1 of api"):
        await plane.delete_rest_api(rest_api_id=api_id)
    with pytest.raises(BadRequestException, match="remove the base path mapping v1 of api"):
        await plane.delete_stage(rest_api_id=api_id, stage_name="latest")
    await plane.delete_base_path_mapping(domain_name=_DOMAIN, base_path="v1")
    await plane.delete_rest_api(rest_api_id=api_id)


@pytest.mark.parametrize(
    ("host", "path", "found"),
    [
        (b"api.example.com", b"/v1/pets/1", b"/latest/pets/1"),
        (b"API.Example.com:4800", b"/v1/", b"/latest/"),
        (b"api.example.com", b"/v1", b"/latest/"),
        (b"api.example.com", b"/raw/latest/pets", b"/latest/pets"),
        (b"api.example.com", b"/v1x/pets", b"/root/v1x/pets"),
        (b"api.example.com", b"/", b"/root/"),
    ],
)
async def test_a_call_finds_its_stage_by_host_and_first_segment(
    plane: Plane, host: bytes, path: bytes, found: bytes
) -> None:
    api_id = await _stage(plane)
    await plane.create_deployment(rest_api_id=api_id, stage_name="root")
    await plane.create_domain_name(domain_name=_DOMAIN)
    for base_path, stage in (("v1", "latest"), ("raw", None), ("", "root")):
        await plane.create_base_path_mapping(domain_name=_DOMAIN, rest_api_id=api_id, base_path=base_path, stage=stage)

    assert plane.lookup.find(host, path)[:2] == (api_id, found)
    assert plane.lookup.find(b"other.example.com", path) is None


async def test_a_path_that_no_mapping_takes_is_nobodys(plane: Plane) -> None:
    api_id = await _stage(plane)
    await plane.create_domain_name(domain_name=_DOMAIN)
    await plane.create_base_path_mapping(domain_name=_DOMAIN, rest_api_id=api_id, base_path="v1", stage="latest")

    before = plane.lookup.find(b"api.example.com", b"/v2/pets")
    await plane.delete_domain_name(domain_name=_DOMAIN)

    assert before == ("", b"/v2/pets", b"")
    assert plane.lookup.find(b"api.example.com", b"/v1/pets") is None


async def test_the_accounts_role_is_kept_and_cleared(plane: Plane) -> None:
    role = "arn:aws:iam::111111111111:role/logs"

    before = await plane.get_account()
    kept = await plane.update_account(patch_operations=patch("replace", "/cloudwatchRoleArn", role))
    cleared = await plane.update_account(patch_operations=patch("replace", "/cloudwatchRoleArn", ""))

    assert before["throttle_settings"] == {"burst_limit": 5000, "rate_limit": 10000.0}
    assert (kept["cloudwatch_role_arn"], cleared["cloudwatch_role_arn"]) == (role, None)
    with pytest.raises(BadRequestException, match="does not have required permissions"):
        await plane.update_account(patch_operations=patch("replace", "/cloudwatchRoleArn", "logs"))
    with pytest.raises(BadRequestException, match="Invalid patch path  '/features'"):
        await plane.update_account(patch_operations=patch("add", "/features", "UsagePlans"))

"""Domain names and API mappings of the second version: what may be made, what is refused, and what a call finds."""

from typing import Any

import pytest

from support.gateway import ControlPlane, Gateway, patch
from support.http_apis import HttpApiPlane
from velvetrope.apigateway import BadRequestException as FirstBadRequest
from velvetrope.apigateway import NotFoundException as FirstNotFound
from velvetrope.apigateway import NotSupported as FirstNotSupported
from velvetrope.apigateway.rest_apis import EndpointConfiguration
from velvetrope.apigatewayv2 import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigatewayv2.domain_names import DomainNameConfiguration
from velvetrope.store import Database

_DOMAIN = "api.example.com"
_CERTIFICATE = "arn:aws:acm:us-west-2:111111111111:certificate/a"


@pytest.fixture
def rest(database: Database) -> ControlPlane:
    """The first version, over the same store."""
    return Gateway(database).plane


async def _http_api(plane: HttpApiPlane, stage: str = "$default") -> str:
    api_id = await plane.new_api()
    await plane.create_stage(api_id=api_id, stage_name=stage, auto_deploy=True)
    return api_id


async def _rest_api(rest: Any, stage: str = "latest") -> str:
    api = await rest.create_rest_api(name="demo")
    where = {"rest_api_id": api["id"], "resource_id": api["root_resource_id"], "http_method": "GET"}
    await rest.put_method(**where, authorization_type="NONE")
    await rest.put_integration(**where, type="MOCK")
    await rest.create_deployment(rest_api_id=api["id"], stage_name=stage)
    return str(api["id"])


async def test_a_name_is_one_for_both_versions(plane: HttpApiPlane, rest: ControlPlane) -> None:
    configuration = DomainNameConfiguration(certificate_arn=_CERTIFICATE, endpoint_type="REGIONAL")

    made = await plane.create_domain_name(
        domain_name="API.example.com", domain_name_configurations=(configuration,), tags={"a": "b"}
    )
    seen = await rest.get_domain_name(domain_name=_DOMAIN)
    await rest.update_domain_name(
        domain_name=_DOMAIN, patch_operations=patch("replace", "/regionalCertificateArn", f"{_CERTIFICATE}2")
    )
    [shown] = (await plane.get_domain_names())["items"]

    assert (made["domain_name"], made["tags"], made["routing_mode"]) == (_DOMAIN, {"a": "b"}, "API_MAPPING_ONLY")
    [told] = made["domain_name_configurations"]
    assert (told["endpoint_type"], told["security_policy"], told["certificate_arn"]) == (
        "REGIONAL",
        "TLS_1_2",
        _CERTIFICATE,
    )
    assert (seen["regional_domain_name"], seen["regional_certificate_arn"]) == (
        told["api_gateway_domain_name"],
        _CERTIFICATE,
    )
    assert shown["domain_name_configurations"][0]["certificate_arn"] == f"{_CERTIFICATE}2"
    await plane.delete_domain_name(domain_name=_DOMAIN)
    with pytest.raises(FirstNotFound):
        await rest.get_domain_name(domain_name=_DOMAIN)


async def test_a_name_is_changed_and_tagged(plane: HttpApiPlane) -> None:
    made = await plane.create_domain_name(domain_name=_DOMAIN)
    arn = made["domain_name_arn"]

    changed = await plane.update_domain_name(
        domain_name=_DOMAIN, domain_name_configurations=(DomainNameConfiguration(certificate_name="mine"),)
    )
    await plane.tag_resource(resource_arn=arn, tags={"a": "1", "b": "2"})
    await plane.untag_resource(resource_arn=arn, tag_keys=["a"])

    assert changed["domain_name_configurations"][0]["certificate_name"] == "mine"
    assert changed["domain_name_configurations"][0]["security_policy"] == "TLS_1_2"
    assert (await plane.get_tags(resource_arn=arn))["tags"] == {"b": "2"}
    other = arn.replace(_DOMAIN, "b.example.com")
    with pytest.raises(NotFoundException):
        await plane.get_tags(resource_arn=other)
    with pytest.raises(NotFoundException):
        await plane.tag_resource(resource_arn=other, tags={})
    for called in (plane.get_domain_name, plane.update_domain_name, plane.delete_domain_name, plane.get_api_mappings):
        with pytest.raises(NotFoundException, match="Invalid domain name identifier specified"):
            await called(domain_name="b.example.com")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("localhost", "Invalid domain name specified"),
        ("127.0.0.1", "Invalid domain name specified"),
        ("example.com:4800", "Invalid domain name specified"),
        ("api.localhost", "one of this server's or of AWS's own"),
        ("people.auth.localhost", "one of this server's or of AWS's own"),
        ("cognito-idp.us-west-2.amazonaws.com", "one of this server's or of AWS's own"),
        ("a1b2c3.execute-api.example.com", "one of this server's or of AWS's own"),
        ("*.example.com", "A wildcard domain name is not supported"),
    ],
)
async def test_names_that_would_take_the_calls_of_others_are_refused(plane: HttpApiPlane, name: str, text: str) -> None:
    with pytest.raises(BadRequestException, match=text):
        await plane.create_domain_name(domain_name=name)

    assert (await plane.get_domain_names())["items"] == []


async def test_what_names_do_not_do_is_refused_by_name(plane: HttpApiPlane, rest: ControlPlane) -> None:
    edge = DomainNameConfiguration(endpoint_type="EDGE")
    with pytest.raises(NotSupported, match="The endpoint type EDGE"):
        await plane.create_domain_name(domain_name=_DOMAIN, domain_name_configurations=(edge,))
    with pytest.raises(NotSupported, match="More than one configuration"):
        await plane.create_domain_name(domain_name=_DOMAIN, domain_name_configurations=(edge, edge))
    modern = DomainNameConfiguration(security_policy="SecurityPolicy_TLS13_1_3_2025_09")
    with pytest.raises(NotSupported, match="The security policy SecurityPolicy_TLS13_1_3_2025_09"):
        await plane.create_domain_name(domain_name=_DOMAIN, domain_name_configurations=(modern,))
    await plane.create_domain_name(domain_name=_DOMAIN)
    with pytest.raises(NotSupported, match="The security policy SecurityPolicy_TLS13_1_3_2025_09"):
        await plane.update_domain_name(domain_name=_DOMAIN, domain_name_configurations=(modern,))
    with pytest.raises(NotSupported, match="Another endpoint type"):
        await plane.update_domain_name(domain_name=_DOMAIN, domain_name_configurations=(edge,))
    with pytest.raises(ConflictException, match="already exists"):
        await plane.create_domain_name(domain_name=_DOMAIN)
    with pytest.raises(FirstNotSupported, match="SecurityPolicy_TLS13"):
        await rest.update_domain_name(
            domain_name=_DOMAIN, patch_operations=patch("replace", "/securityPolicy", "SecurityPolicy_TLS13_1_3")
        )


@pytest.mark.parametrize("kind", ["HTTP", "several segments"])
async def test_a_name_keeps_what_its_mappings_need(plane: HttpApiPlane, rest: ControlPlane, kind: str) -> None:
    await plane.create_domain_name(domain_name=_DOMAIN)
    api_id, stage = (await _http_api(plane), "$default") if kind == "HTTP" else (await _rest_api(rest), "latest")
    key = None if kind == "HTTP" else "a/b"
    made = await plane.create_api_mapping(domain_name=_DOMAIN, api_id=api_id, stage=stage, api_mapping_key=key)
    weaker = (DomainNameConfiguration(security_policy="TLS_1_0"),)
    patches = patch("replace", "/securityPolicy", "TLS_1_0")

    with pytest.raises(BadRequestException, match="needs a REGIONAL domain name with the security policy TLS_1_2"):
        await plane.update_domain_name(domain_name=_DOMAIN, domain_name_configurations=weaker)
    with pytest.raises(FirstBadRequest, match="needs a REGIONAL domain name with the security policy TLS_1_2"):
        await rest.update_domain_name(domain_name=_DOMAIN, patch_operations=patches)

    [kept] = (await plane.get_domain_name(domain_name=_DOMAIN))["domain_name_configurations"]
    assert kept["security_policy"] == "TLS_1_2"
    await plane.delete_api_mapping(domain_name=_DOMAIN, api_mapping_id=made["api_mapping_id"])
    changed = await plane.update_domain_name(domain_name=_DOMAIN, domain_name_configurations=weaker)
    assert changed["domain_name_configurations"][0]["security_policy"] == "TLS_1_0"


async def test_one_name_leads_to_apis_of_both_kinds(plane: HttpApiPlane, rest: ControlPlane) -> None:
    http_api, rest_api = await _http_api(plane), await _rest_api(rest)
    await plane.create_domain_name(domain_name=_DOMAIN)

    new = await plane.create_api_mapping(domain_name=_DOMAIN, api_id=http_api, stage="$default", api_mapping_key="a/b")
    old = await plane.create_api_mapping(domain_name=_DOMAIN, api_id=rest_api, stage="latest", api_mapping_key="a/c")
    first = await rest.create_base_path_mapping(domain_name=_DOMAIN, rest_api_id=rest_api, base_path="v1")

    mappings = (await plane.get_api_mappings(domain_name=_DOMAIN))["items"]
    assert mappings[:2] == [new, old]
    assert (mappings[2]["api_id"], mappings[2]["api_mapping_key"], mappings[2]["stage"]) == (rest_api, "v1", "")
    assert await plane.get_api_mapping(domain_name=_DOMAIN, api_mapping_id=new["api_mapping_id"]) == new
    # The first version sees what is of REST APIs, and nothing else.
    assert (await rest.get_base_path_mappings(domain_name=_DOMAIN))["items"] == [
        {"base_path": "a/c", "rest_api_id": rest_api, "stage": "latest"},
        first,
    ]
    for operation in (rest.get_base_path_mapping, rest.delete_base_path_mapping, rest.update_base_path_mapping):
        with pytest.raises(FirstNotFound):
            await operation(domain_name=_DOMAIN, base_path="a/b")


async def test_a_mapping_needs_an_api_a_stage_and_a_key_of_its_own(plane: HttpApiPlane, rest: ControlPlane) -> None:
    api_id, rest_api = await _http_api(plane), await _rest_api(rest)
    await plane.create_domain_name(domain_name=_DOMAIN)
    mapping = {"domain_name": _DOMAIN, "api_id": api_id, "stage": "$default"}
    await plane.create_api_mapping(**mapping)
    await rest.create_base_path_mapping(domain_name=_DOMAIN, rest_api_id=rest_api, base_path="v1")

    with pytest.raises(NotFoundException, match="Invalid API identifier specified"):
        await plane.create_api_mapping(**mapping | {"api_id": "nope"}, api_mapping_key="v2")
    with pytest.raises(BadRequestException, match="Invalid stage identifier specified"):
        await plane.create_api_mapping(**mapping | {"stage": "nope"}, api_mapping_key="v2")
    for key in ("/a", "a/", "a//b", "a b", "..", "a/../b", "a/%2e", "x" * 301):
        with pytest.raises(BadRequestException, match="Invalid API mapping key specified"):
            await plane.create_api_mapping(**mapping, api_mapping_key=key)
    for taken in (None, "", "(none)", "v1"):
        with pytest.raises(ConflictException, match="already exists for this domain name"):
            await plane.create_api_mapping(**mapping, api_mapping_key=taken)
    assert len((await plane.get_api_mappings(domain_name=_DOMAIN))["items"]) == 2


async def test_an_edge_optimised_name_leads_to_rest_apis_by_one_segment(
    plane: HttpApiPlane, rest: ControlPlane
) -> None:
    api_id, rest_api = await _http_api(plane), await _rest_api(rest)
    await rest.create_domain_name(domain_name=_DOMAIN, endpoint_configuration=EndpointConfiguration(types=("EDGE",)))

    with pytest.raises(BadRequestException, match="An HTTP API needs a REGIONAL domain name"):
        await plane.create_api_mapping(domain_name=_DOMAIN, api_id=api_id, stage="$default")
    with pytest.raises(BadRequestException, match="An API mapping key with a slash needs a REGIONAL domain name"):
        await plane.create_api_mapping(domain_name=_DOMAIN, api_id=rest_api, stage="latest", api_mapping_key="a/b")

    made = await plane.create_api_mapping(domain_name=_DOMAIN, api_id=rest_api, stage="latest", api_mapping_key="a")
    assert made["api_mapping_key"] == "a"


async def test_a_mapping_moves_to_another_key_and_an_api_of_the_other_kind(
    plane: HttpApiPlane, rest: ControlPlane
) -> None:
    api_id, rest_api = await _http_api(plane, "prod"), await _rest_api(rest)
    await plane.create_domain_name(domain_name=_DOMAIN)
    await plane.create_api_mapping(domain_name=_DOMAIN, api_id=api_id, stage="prod", api_mapping_key="taken")
    made = await plane.create_api_mapping(domain_name=_DOMAIN, api_id=api_id, stage="prod", api_mapping_key="v1")
    this = {"domain_name": _DOMAIN, "api_mapping_id": made["api_mapping_id"]}

    moved = await plane.update_api_mapping(**this, api_id=rest_api, stage="latest", api_mapping_key="v2")
    kept = await plane.update_api_mapping(**this, api_id=rest_api)

    assert moved == {**made, "api_id": rest_api, "stage": "latest", "api_mapping_key": "v2"}
    assert kept == moved
    assert plane.lookup.find(b"api.example.com", b"/v2/pets") == (rest_api, b"/latest/pets", b"v2")
    assert plane.lookup.find(b"api.example.com", b"/v1/pets") == ("", b"/v1/pets", b"")
    with pytest.raises(ConflictException):
        await plane.update_api_mapping(**this, api_id=rest_api, api_mapping_key="taken")
    with pytest.raises(BadRequestException, match="Invalid stage identifier specified"):
        await plane.update_api_mapping(**this, api_id=api_id, stage="latest")
    assert await plane.get_api_mapping(**this) == moved
    await plane.delete_api_mapping(**this)
    for called in (plane.get_api_mapping, plane.delete_api_mapping):
        with pytest.raises(NotFoundException, match="Invalid API mapping identifier specified"):
            await called(**this)
    assert plane.lookup.find(b"api.example.com", b"/v2/pets") == ("", b"/v2/pets", b"")


async def test_a_mapping_keeps_its_id_whichever_version_moves_it(plane: HttpApiPlane, rest: ControlPlane) -> None:
    rest_api = await _rest_api(rest)
    await plane.create_domain_name(domain_name=_DOMAIN)
    await rest.create_base_path_mapping(domain_name=_DOMAIN, rest_api_id=rest_api, base_path="v1")
    [before] = (await plane.get_api_mappings(domain_name=_DOMAIN))["items"]

    await rest.update_base_path_mapping(
        domain_name=_DOMAIN, base_path="v1", patch_operations=patch("replace", "/basePath", "v2")
    )

    [after] = (await plane.get_api_mappings(domain_name=_DOMAIN))["items"]
    assert after == {**before, "api_mapping_key": "v2"}
    with pytest.raises(BadRequestException, match="Stage is required"):
        await plane.update_api_mapping(
            domain_name=_DOMAIN, api_mapping_id=after["api_mapping_id"], api_id=await _http_api(plane)
        )


async def test_what_a_mapping_leads_to_is_not_deleted(plane: HttpApiPlane) -> None:
    api_id = await _http_api(plane)
    await plane.create_stage(api_id=api_id, stage_name="spare")
    await plane.create_domain_name(domain_name=_DOMAIN)
    made = await plane.create_api_mapping(domain_name=_DOMAIN, api_id=api_id, stage="$default", api_mapping_key="v1")

    await plane.delete_stage(api_id=api_id, stage_name="spare")
    with pytest.raises(BadRequestException, match=r"remove the API mapping v1 of api\.example\.com first"):
        await plane.delete_stage(api_id=api_id, stage_name="$default")
    with pytest.raises(BadRequestException, match=r"remove the API mapping v1 of api\.example\.com first"):
        await plane.delete_api(api_id=api_id)
    await plane.delete_api_mapping(domain_name=_DOMAIN, api_mapping_id=made["api_mapping_id"])
    await plane.delete_api(api_id=api_id)


@pytest.mark.parametrize(
    ("path", "found", "base_path"),
    [
        (b"/a/b/pets", b"/two/pets", b"a/b"),
        (b"/a/b", b"/two/", b"a/b"),
        (b"/a/b/", b"/two/", b"a/b"),
        (b"/a/bc/pets", b"/one/bc/pets", b"a"),
        (b"/a", b"/one/", b"a"),
        (b"/a//b/pets", b"/one//b/pets", b"a"),
        (b"/a/b/c/d/e", b"/five/e", b"a/b/c/d"),
        (b"/a/b/c/d", b"/five/", b"a/b/c/d"),
        (b"/a/b/c/x", b"/two/c/x", b"a/b"),
        (b"/A/b", b"/root/A/b", b""),
        (b"/", b"/root/", b""),
        (b"//a", b"/root//a", b""),
    ],
)
async def test_the_longest_key_that_a_path_begins_with_takes_it(
    plane: HttpApiPlane, path: bytes, found: bytes, base_path: bytes
) -> None:
    api_id = await plane.new_api()
    await plane.create_domain_name(domain_name=_DOMAIN)
    for key, stage in (("", "root"), ("a", "one"), ("a/b", "two"), ("a/b/c/d", "five")):
        await plane.create_stage(api_id=api_id, stage_name=stage, auto_deploy=True)
        await plane.create_api_mapping(domain_name=_DOMAIN, api_id=api_id, stage=stage, api_mapping_key=key)

    assert plane.lookup.find(b"api.example.com", path) == (api_id, found, base_path)

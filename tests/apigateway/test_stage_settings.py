"""Settings of a stage by patches: logs and throttles are kept, what is not done is refused by name."""

from typing import Any

import pytest

from support.gateway import patch
from velvetrope.apigateway import BadRequestException, NotSupported

Plane = Any
_LOG_GROUP = "arn:aws:logs:us-west-2:111111111111:log-group:access"
_FORMAT = '{"id": "$context.requestId", "ip": "$context.identity.sourceIp"}'


async def _stage(plane: Plane) -> dict[str, str]:
    api = await plane.create_rest_api(name="demo")
    where = {"rest_api_id": api["id"], "resource_id": api["root_resource_id"], "http_method": "GET"}
    await plane.put_method(**where, authorization_type="NONE")
    await plane.put_integration(**where, type="MOCK")
    await plane.create_deployment(rest_api_id=api["id"], stage_name="latest")
    return {"rest_api_id": api["id"], "stage_name": "latest"}


async def test_access_logs_go_to_a_log_group_in_a_format_of_the_authors(plane: Plane) -> None:
    where = await _stage(plane)

    kept = await plane.update_stage(
        **where,
        patch_operations=(
            *patch("replace", "/accessLogSettings/destinationArn", _LOG_GROUP),
            *patch("replace", "/accessLogSettings/format", _FORMAT),
        ),
    )
    gone = await plane.update_stage(**where, patch_operations=patch("remove", "/accessLogSettings"))

    assert kept["access_log_settings"] == {"destination_arn": _LOG_GROUP, "format": _FORMAT}
    assert gone["access_log_settings"] is None


@pytest.mark.parametrize(
    ("destination", "form", "text"),
    [
        (None, _FORMAT, "Invalid ARN specified for the access log destination"),
        ("a-file", _FORMAT, "Invalid ARN specified for the access log destination: a-file"),
        (_LOG_GROUP, None, "must contain \\$context.requestId"),
        (_LOG_GROUP, "$context.status", "must contain \\$context.requestId or \\$context.extendedRequestId"),
        (_LOG_GROUP, "$context.requestId\n", "must be one line"),
        (_LOG_GROUP, "$context.requestId" + "x" * 3072, "larger than 3 KB"),
        (
            "arn:aws:firehose:us-west-2:111111111111:deliverystream/amazon-apigateway-x",
            _FORMAT,
            "An access log to Firehose is not supported by velvetrope",
        ),
    ],
)
async def test_access_logs_that_cannot_be(plane: Plane, destination: str | None, form: str | None, text: str) -> None:
    where = await _stage(plane)
    members = {"destinationArn": destination, "format": form}
    operations = tuple(
        one
        for name, value in members.items()
        if value is not None
        for one in patch("replace", f"/accessLogSettings/{name}", value)
    )

    with pytest.raises(BadRequestException, match=text):
        await plane.update_stage(**where, patch_operations=operations)

    assert (await plane.get_stage(**where))["access_log_settings"] is None


async def test_execution_logs_are_set_for_all_methods_and_for_one(plane: Plane) -> None:
    where = await _stage(plane)

    stage = await plane.update_stage(
        **where,
        patch_operations=(
            *patch("replace", "/*/*/logging/loglevel", "ERROR"),
            *patch("replace", "/~1/GET/logging/loglevel", "INFO"),
            *patch("replace", "/~1/GET/logging/dataTrace", "true"),
            *patch("replace", "/*/*/metrics/enabled", "false"),
            *patch("replace", "/*/*/caching/enabled", "false"),
        ),
    )
    settings = stage["method_settings"]

    assert (settings["*/*"]["logging_level"], settings["*/*"]["data_trace_enabled"]) == ("ERROR", False)
    one = next(value for key, value in settings.items() if key != "*/*")
    assert (one["logging_level"], one["data_trace_enabled"]) == ("INFO", True)
    with pytest.raises(BadRequestException, match="Cannot remove method setting /a/GET because there is no"):
        await plane.update_stage(**where, patch_operations=patch("remove", "/~1a/GET"))
    left = await plane.update_stage(**where, patch_operations=patch("remove", "/*/*"))
    assert len(left["method_settings"]) == 1


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("/*/*/metrics/enabled", "true", "metrics/enabled"),
        ("/*/*/caching/enabled", "true", "caching/enabled"),
        ("/*/*/caching/ttlInSeconds", "60", "caching/ttlInSeconds"),
        ("/cacheClusterEnabled", "true", "Caching of a stage"),
        ("/cacheClusterSize", "0.5", "Caching of a stage"),
        ("/canarySettings/percentTraffic", "10", "A canary release of a stage"),
        ("/tracingEnabled", "true", "Tracing of a stage"),
        ("/clientCertificateId", "abc", "The clientCertificateId of a stage"),
        ("/documentationVersion", "1", "The documentationVersion of a stage"),
    ],
)
async def test_what_stages_do_not_do_is_refused_by_name(plane: Plane, path: str, value: str, named: str) -> None:
    where = await _stage(plane)

    with pytest.raises(NotSupported, match=named):
        await plane.update_stage(**where, patch_operations=patch("replace", path, value))


async def test_a_log_level_is_one_of_three(plane: Plane) -> None:
    where = await _stage(plane)

    with pytest.raises(BadRequestException, match="Invalid log level specified: DEBUG"):
        await plane.update_stage(**where, patch_operations=patch("replace", "/*/*/logging/loglevel", "DEBUG"))

"""What API Gateway hands a function, and what it reads from its answer: the Lambda proxy formats, payload 1.0 and 2.0.

`render_proxy_event` makes the event of format 1.0 as bytes, `parse_proxy_response` turns the function's payload into
status, headers and body, or says what is wrong with it. `render_payload_v2_event` and `parse_payload_v2_response` do
the same for format 2.0: HTTP APIs and function URLs. `mapping_templates` has the substitutions of gateway
responses. Who runs the function is not known here.

Source: API Gateway Developer Guide, "Lambda proxy integrations in API Gateway": input and output format.
"""

from velvetrope.events.authorizer_events import render_request_authorizer_event, render_token_authorizer_event
from velvetrope.events.context_names import CONTEXT_NAMES, is_context_name
from velvetrope.events.forwarding import render_clf_time
from velvetrope.events.mapping_templates import (
    GatewayTemplate,
    UnknownSubstitution,
    parse_gateway_parameter,
    parse_gateway_template,
    parse_mock_status,
    parse_quoted_literal,
)
from velvetrope.events.parameter_mappings import (
    InvalidParameterMapping,
    MappingValues,
    ParameterMapping,
    parse_request_mapping,
    parse_response_mapping,
)
from velvetrope.events.payload_v1 import render_payload_v1_authorizer_event, render_payload_v1_event
from velvetrope.events.payload_v2 import (
    PayloadV2Event,
    is_text_media_type,
    parse_payload_v2_response,
    render_iam_authorizer,
    render_payload_v2_authorizer_event,
    render_payload_v2_event,
)
from velvetrope.events.proxy_event import CallerIdentity, ProxyEvent, query_parameters, render_proxy_event
from velvetrope.events.proxy_response import (
    InvalidProxyResponse,
    ProxyResponse,
    ResponseBodyNotBase64,
    matches_binary_media_type,
    parse_proxy_response,
)

__all__ = [
    "CONTEXT_NAMES",
    "CallerIdentity",
    "GatewayTemplate",
    "InvalidParameterMapping",
    "InvalidProxyResponse",
    "MappingValues",
    "ParameterMapping",
    "PayloadV2Event",
    "ProxyEvent",
    "ProxyResponse",
    "ResponseBodyNotBase64",
    "UnknownSubstitution",
    "is_context_name",
    "is_text_media_type",
    "matches_binary_media_type",
    "parse_gateway_parameter",
    "parse_gateway_template",
    "parse_mock_status",
    "parse_payload_v2_response",
    "parse_proxy_response",
    "parse_quoted_literal",
    "parse_request_mapping",
    "parse_response_mapping",
    "query_parameters",
    "render_clf_time",
    "render_iam_authorizer",
    "render_payload_v1_authorizer_event",
    "render_payload_v1_event",
    "render_payload_v2_authorizer_event",
    "render_payload_v2_event",
    "render_proxy_event",
    "render_request_authorizer_event",
    "render_token_authorizer_event",
]

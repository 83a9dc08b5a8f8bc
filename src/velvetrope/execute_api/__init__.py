"""execute-api: the data plane of API Gateway.

`RequestLane` answers calls to deployed stages of REST APIs, `HttpApiLane` those to HTTP APIs; in each, `lane` shows the
chain of steps and their order. `Gateways` is both behind one door. They are handed functions, policies, credentials and
a recorder (`protocols`). ASGI, and how a deployment was authored, are not known here.
"""

from velvetrope.execute_api.custom_domains import CustomDomains
from velvetrope.execute_api.errors import GatewayRefusal
from velvetrope.execute_api.gateways import Gateways
from velvetrope.execute_api.header_lines import header_lines
from velvetrope.execute_api.http_apis import HttpApiLane
from velvetrope.execute_api.http_backends import HttpBackends
from velvetrope.execute_api.lane import RequestLane
from velvetrope.execute_api.protocols import (
    DecisionRecorder,
    FunctionInvoker,
    InvocationResult,
    PolicyGatherer,
    ServiceAnswer,
    ServiceCall,
    ServiceDoor,
    TokenVerifier,
)
from velvetrope.execute_api.requests import BodyStream, GatewayResponse, IncomingRequest, Likeness
from velvetrope.execute_api.surroundings import Surroundings

__all__ = [
    "BodyStream",
    "CustomDomains",
    "DecisionRecorder",
    "FunctionInvoker",
    "GatewayRefusal",
    "GatewayResponse",
    "Gateways",
    "HttpApiLane",
    "HttpBackends",
    "IncomingRequest",
    "InvocationResult",
    "Likeness",
    "PolicyGatherer",
    "RequestLane",
    "ServiceAnswer",
    "ServiceCall",
    "ServiceDoor",
    "Surroundings",
    "TokenVerifier",
    "header_lines",
]

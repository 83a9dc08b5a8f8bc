"""execute-api: the data plane of API Gateway REST APIs.

`RequestLane` answers calls to deployed stages; `lane` shows the chain of steps and their order. It is handed functions,
policies, credentials and a recorder (`protocols`). ASGI, and how a deployment was authored, are not known here.
"""

from velvetrope.execute_api.errors import GatewayRefusal
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
from velvetrope.execute_api.requests import GatewayResponse, IncomingRequest

__all__ = [
    "DecisionRecorder",
    "FunctionInvoker",
    "GatewayRefusal",
    "GatewayResponse",
    "IncomingRequest",
    "InvocationResult",
    "PolicyGatherer",
    "RequestLane",
    "ServiceAnswer",
    "ServiceCall",
    "ServiceDoor",
    "TokenVerifier",
]

"""What integrations call: functions, AWS services, HTTP backends."""

from typing import NamedTuple

from velvetrope.execute_api.http_backends import HttpBackends
from velvetrope.execute_api.invoking import FunctionCalls
from velvetrope.execute_api.protocols import ServiceDoor

__all__ = ["Doors"]


class Doors(NamedTuple):
    """The ways out of the request lane."""

    functions: FunctionCalls
    services: ServiceDoor
    http: HttpBackends

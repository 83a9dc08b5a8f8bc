"""The request lane of HTTP APIs (API Gateway version 2). `HttpApiLane` is all that others need."""

from velvetrope.execute_api.http_apis.jwt_authorizers import IssuerKeyFinder, PoolTokens
from velvetrope.execute_api.http_apis.lane import HttpApiLane

__all__ = ["HttpApiLane", "IssuerKeyFinder", "PoolTokens"]

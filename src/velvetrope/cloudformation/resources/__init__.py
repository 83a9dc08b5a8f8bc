"""Every resource type that is carried out, one file per family. What is not in `HANDLERS` is refused by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from velvetrope.cloudformation.resource import ResourceHandler
from velvetrope.cloudformation.resources.cognito_identity_pools import IDENTITY_POOL_HANDLERS
from velvetrope.cloudformation.resources.cognito_pool_parts import USER_POOL_PART_HANDLERS
from velvetrope.cloudformation.resources.cognito_user_pools import USER_POOL_HANDLERS
from velvetrope.cloudformation.resources.event_sources import EVENT_SOURCE_HANDLERS
from velvetrope.cloudformation.resources.function_urls import FUNCTION_URL_HANDLERS
from velvetrope.cloudformation.resources.functions import FUNCTION_HANDLERS
from velvetrope.cloudformation.resources.http_api_domains import HTTP_API_DOMAIN_HANDLERS
from velvetrope.cloudformation.resources.http_apis import HTTP_API_HANDLERS
from velvetrope.cloudformation.resources.iam import IAM_HANDLERS
from velvetrope.cloudformation.resources.iam_groups import IAM_GROUP_HANDLERS
from velvetrope.cloudformation.resources.iam_providers import IAM_PROVIDER_HANDLERS
from velvetrope.cloudformation.resources.keys import KEY_HANDLERS
from velvetrope.cloudformation.resources.layers import LAYER_HANDLERS
from velvetrope.cloudformation.resources.log_groups import LOG_GROUP_HANDLERS
from velvetrope.cloudformation.resources.queues import QUEUE_HANDLERS
from velvetrope.cloudformation.resources.rest_api_parts import REST_API_PART_HANDLERS
from velvetrope.cloudformation.resources.rest_api_stages import REST_API_STAGE_HANDLERS
from velvetrope.cloudformation.resources.rest_apis import REST_API_HANDLERS
from velvetrope.cloudformation.resources.usage_plans import USAGE_PLAN_HANDLERS

__all__ = ["HANDLERS"]

HANDLERS: Final[Mapping[str, ResourceHandler]] = MappingProxyType(
    {
        handler.type: handler
        for family in (
            USER_POOL_HANDLERS,
            USER_POOL_PART_HANDLERS,
            IDENTITY_POOL_HANDLERS,
            IAM_HANDLERS,
            IAM_GROUP_HANDLERS,
            IAM_PROVIDER_HANDLERS,
            KEY_HANDLERS,
            FUNCTION_HANDLERS,
            FUNCTION_URL_HANDLERS,
            LAYER_HANDLERS,
            LOG_GROUP_HANDLERS,
            QUEUE_HANDLERS,
            EVENT_SOURCE_HANDLERS,
            REST_API_HANDLERS,
            HTTP_API_HANDLERS,
            HTTP_API_DOMAIN_HANDLERS,
            REST_API_PART_HANDLERS,
            REST_API_STAGE_HANDLERS,
            USAGE_PLAN_HANDLERS,
        )
        for handler in family
    }
)
"""By resource type."""

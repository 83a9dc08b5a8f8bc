"""Every table, one file per aggregate. Importing this package declares them all on `store.schema.METADATA`."""

from velvetrope.store.tables import (
    apigateway,
    apigateway_domains,
    cloudformation,
    event_sources,
    function_events,
    function_urls,
    functions,
    hosted_ui,
    iam,
    iam_providers,
    identitypools,
    queues,
    usage,
    userpools,
    userpools_deliveries,
    userpools_sign_in,
)

__all__ = [
    "apigateway",
    "apigateway_domains",
    "cloudformation",
    "event_sources",
    "function_events",
    "function_urls",
    "functions",
    "hosted_ui",
    "iam",
    "iam_providers",
    "identitypools",
    "queues",
    "usage",
    "userpools",
    "userpools_deliveries",
    "userpools_sign_in",
]

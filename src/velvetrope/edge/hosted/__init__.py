"""The hosted UI over HTTP: pages, cookies and OAuth endpoints of user pools with a domain.

    pages = HostedPages(directory, store, clock, entropy)
    if pages.owns(path) or pages.owns_host(host):
        await pages(scope, receive, send)

What may happen is decided in `hosted_ui`; here it becomes HTTP. Every page is complete without JavaScript and loads
nothing from anywhere.
"""

from velvetrope.edge.hosted.app import HostedPages
from velvetrope.edge.hosted.pool_looks import PoolLooks

__all__ = ["HostedPages", "PoolLooks"]

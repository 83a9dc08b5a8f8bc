"""GET /error. What it shows is ours: whoever wrote the link chooses among known codes and adds no words."""

import logging

from velvetrope.edge.hosted import pages
from velvetrope.edge.hosted.context import PAGE_ERROR_TEXT, HostedContext
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.hosted.table import Arrived, Endpoint, page_rows
from velvetrope.oauth import Parameters

__all__ = ["ErrorEndpoint"]

_log = logging.getLogger("velvetrope.hosted")


class ErrorEndpoint:
    """The error page, by its own address."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return page_rows("/error", show=self._show)

    async def _show(self, arrived: Arrived) -> HostedResponse:
        asked = Parameters.parse(arrived.request.query).get("error")
        code = "redirect_mismatch" if asked == "redirect_mismatch" else "invalid_request"
        _log.info("error page shown for %s (request %s)", code, arrived.request.request_id)
        return pages.error_page(
            status=400,
            code=code,
            text=PAGE_ERROR_TEXT,
            request_id=arrived.request.request_id,
            dress=await self._context.dressing.dress(arrived.request, arrived.pool),
        )

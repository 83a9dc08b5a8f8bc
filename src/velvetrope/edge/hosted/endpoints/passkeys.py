"""/passkeys/add: a passkey for who is signed in with this browser."""

import json

from velvetrope.edge.hosted.context import FORM_NOT_OURS, HostedContext
from velvetrope.edge.hosted.pages import destination
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.table import Arrived, Endpoint, page_rows
from velvetrope.hosted_ui import PasskeyPage, PasskeyRefused
from velvetrope.oauth import Parameters

__all__ = ["PasskeyRegistrationEndpoint"]


class PasskeyRegistrationEndpoint:
    """Asks the browser for a passkey, and takes it."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return page_rows("/passkeys/add", show=self._show, take=self._take)

    async def _show(self, arrived: Arrived) -> HostedResponse:
        return await self._shown(arrived, status=200)

    async def _shown(self, arrived: Arrived, *, status: int, problem: str = "") -> HostedResponse:
        try:
            page = await self._context.flows.passkey_registration.page(
                arrived.pool,
                Parameters.parse(arrived.request.query),
                session=self._context.session_of(arrived),
                now=arrived.request.now,
            )
        except PasskeyRefused as refusal:
            return await self._refused(arrived, refusal)
        return await self._page(arrived, page, page.redirect_uri, status=status, problem=problem)

    async def _take(self, arrived: Arrived) -> HostedResponse:
        request = arrived.request
        if not request.is_form:
            return HostedResponse(415)
        fields = Parameters.parse(request.body)
        if not self._context.form_is_ours(arrived, fields):
            return await self._shown(arrived, status=403, problem=FORM_NOT_OURS)
        try:
            redirect_uri = await self._context.flows.passkey_registration.register(
                arrived.pool,
                Parameters.parse(request.query),
                fields.get("credential"),
                session=self._context.session_of(arrived),
                now=request.now,
            )
        except PasskeyRefused as refusal:
            return await self._refused(arrived, refusal)
        return redirect_response(redirect_uri)

    async def _refused(self, arrived: Arrived, refusal: PasskeyRefused) -> HostedResponse:
        reason = refusal.detail or refusal.message
        self._context.record(arrived.request, arrived.address, 400, "PasskeyRefused", reason)
        return await self._page(arrived, refusal.page, refusal.redirect_uri, status=400, problem=refusal.message)

    async def _page(
        self, arrived: Arrived, page: PasskeyPage | None, redirect_uri: str, *, status: int, problem: str
    ) -> HostedResponse:
        return await self._context.page(
            arrived,
            "add_passkey.html",
            status=status,
            redirect_uri=redirect_uri,
            script="passkey.js",
            action="" if page is None else arrived.link("/passkeys/add", page.query),
            back=redirect_uri,
            destination=destination(redirect_uri),
            username="" if page is None else page.username,
            options="" if page is None else json.dumps(page.options),
            problem=problem,
        )

"""/passkeys/add and /passkeys/offer: a passkey for who is signed in with this browser."""

import json

from velvetrope.edge.hosted import cookies
from velvetrope.edge.hosted.context import FORM_NOT_OURS, PASSKEY_OFFER, HostedContext
from velvetrope.edge.hosted.pages import destination
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import PUT_OFF_FOR, Onward, PasskeyPage, PasskeyRefused
from velvetrope.oauth import Parameters

__all__ = ["PasskeyRegistrationEndpoint"]


class PasskeyRegistrationEndpoint:
    """Asks the browser for a passkey, and takes it."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        pages = ("/passkeys/add", PASSKEY_OFFER)
        rows = (self._context.form_rows(path, show=self._show, take=self._take, again=self._again) for path in pages)
        return {path: row for one in rows for path, row in one.items()}

    async def _show(self, arrived: Arrived) -> HostedResponse:
        return await self._shown(arrived, status=200)

    async def _shown(self, arrived: Arrived, *, status: int, problem: str = "") -> HostedResponse:
        try:
            page = await self._context.flows.passkey_registration.page(
                arrived.pool,
                Parameters.parse(arrived.request.query),
                offered=_is_offered(arrived),
                session=self._context.session_of(arrived),
                now=arrived.request.now,
            )
        except PasskeyRefused as refusal:
            return await self._refused(arrived, refusal)
        return await self._page(arrived, page, page.onward, status=status, problem=problem)

    async def _again(self, arrived: Arrived, _fields: Parameters) -> HostedResponse:
        return await self._shown(arrived, status=403, problem=FORM_NOT_OURS)

    async def _take(self, arrived: Arrived, fields: Parameters) -> HostedResponse:
        request, flow = arrived.request, self._context.flows.passkey_registration
        parameters = Parameters.parse(request.query)
        if _is_offered(arrived) and fields.get("later") is not None:
            return self._put_off(arrived, await flow.put_off(arrived.pool, parameters))
        try:
            onward = await flow.register(
                arrived.pool,
                parameters,
                fields.get("credential"),
                offered=_is_offered(arrived),
                session=self._context.session_of(arrived),
                now=request.now,
            )
        except PasskeyRefused as refusal:
            return await self._refused(arrived, refusal)
        return redirect_response(_link(arrived, onward))

    def _put_off(self, arrived: Arrived, onward: Onward) -> HostedResponse:
        response = redirect_response(_link(arrived, onward))
        seconds = int(PUT_OFF_FOR.total_seconds())
        cookie = cookies.render_put_off_cookie(arrived.request, arrived.domain, max_age_seconds=seconds)
        response.headers.append(("set-cookie", cookie))
        return response

    async def _refused(self, arrived: Arrived, refusal: PasskeyRefused) -> HostedResponse:
        self._context.record_refusal(arrived, "PasskeyRefused", refusal)
        return await self._page(arrived, refusal.page, refusal.onward, status=400, problem=refusal.message)

    async def _page(
        self, arrived: Arrived, page: PasskeyPage | None, onward: Onward, *, status: int, problem: str
    ) -> HostedResponse:
        return await self._context.page(
            arrived,
            "add_passkey.html",
            status=status,
            redirect_uri=onward.redirect_uri,
            script="passkey.js",
            action="" if page is None else arrived.link(arrived.address.endpoint, page.query),
            onward=_link(arrived, onward),
            offered=_is_offered(arrived),
            destination=destination(onward.redirect_uri),
            username="" if page is None else page.username,
            options="" if page is None else json.dumps(page.options),
            put_off_days=PUT_OFF_FOR.days,
            problem=problem,
        )


def _is_offered(arrived: Arrived) -> bool:
    return arrived.address.endpoint == PASSKEY_OFFER


def _link(arrived: Arrived, onward: Onward) -> str:
    return onward.redirect_uri if onward.authorize is None else arrived.link("/oauth2/authorize", onward.authorize)

"""/forgotPassword and /confirmforgotPassword: the pages of who has forgotten a password."""

from dataclasses import replace

from velvetrope.edge.hosted.context import FORM_NOT_OURS, HostedContext
from velvetrope.edge.hosted.field_labels import look_of_name
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.hosted.sign_in_page import sign_in_page
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import AccountRefused, ForgottenForm, RecoveryFlow, ResetForm, names_to_sign_in
from velvetrope.oauth import Parameters
from velvetrope.secret import Secret

__all__ = ["RecoveryEndpoints", "reset_page"]

_SAID = {"reset": "Your new password is set. Sign in with it to go on."}


class RecoveryEndpoints:
    """A forgotten password."""

    def __init__(self, context: HostedContext, flow: RecoveryFlow) -> None:
        self._context = context
        self._flow = flow

    def rows(self) -> dict[str, Endpoint]:
        return {
            **self._context.form_rows("/forgotPassword", show=self._show, take=self._send_code, again=self._show_again),
            **self._context.form_rows(
                "/confirmforgotPassword", show=self._show_reset, take=self._reset, again=self._show_reset_again
            ),
        }

    async def _show(self, arrived: Arrived) -> HostedResponse:
        form = await self._flow.forgotten_page(arrived.pool, Parameters.parse(arrived.request.query))
        return await self._forgotten_page(arrived, form)

    async def _show_again(self, arrived: Arrived, _fields: Parameters) -> HostedResponse:
        form = await self._flow.forgotten_page(arrived.pool, Parameters.parse(arrived.request.query))
        return await self._forgotten_page(arrived, form, status=403, problem=FORM_NOT_OURS)

    async def _send_code(self, arrived: Arrived, fields: Parameters) -> HostedResponse:
        request, parameters = arrived.request, Parameters.parse(arrived.request.query)
        form = await self._flow.forgotten_page(arrived.pool, parameters)
        username = fields.get("username") or ""
        try:
            sent = await self._flow.send_code(
                arrived.pool, parameters, username=username, now=request.now, source_ip=request.peer
            )
        except AccountRefused as refusal:
            self._context.record_refusal(arrived, "ForgotPasswordRefused", refusal)
            again = replace(form, username=username)
            return await self._forgotten_page(arrived, again, status=400, problem=refusal.message, at=refusal.field)
        return await reset_page(self._context, arrived, sent)

    async def _show_reset(self, arrived: Arrived) -> HostedResponse:
        form = await self._flow.reset_page(arrived.pool, Parameters.parse(arrived.request.query))
        return await reset_page(self._context, arrived, form)

    async def _show_reset_again(self, arrived: Arrived, _fields: Parameters) -> HostedResponse:
        form = await self._flow.reset_page(arrived.pool, Parameters.parse(arrived.request.query))
        return await reset_page(self._context, arrived, form, status=403, problem=FORM_NOT_OURS)

    async def _reset(self, arrived: Arrived, fields: Parameters) -> HostedResponse:
        request, parameters = arrived.request, Parameters.parse(arrived.request.query)
        form = await self._flow.reset_page(arrived.pool, parameters)
        username = fields.get("username") or ""
        try:
            done = await self._flow.reset(
                arrived.pool,
                parameters,
                username=username,
                code=(fields.get("code") or "").strip(),
                password=Secret(fields.get("password") or ""),
                repeated=Secret(fields.get("confirmPassword") or ""),
                now=request.now,
                source_ip=request.peer,
            )
        except AccountRefused as refusal:
            self._context.record_refusal(arrived, "ResetPasswordRefused", refusal)
            again = replace(form, username=username)
            return await reset_page(
                self._context, arrived, again, status=400, problem=refusal.message, at=refusal.field
            )
        login = await self._context.flows.password_sign_in.login_page(arrived.pool, Parameters.parse(done.query))
        return await sign_in_page(self._context, arrived, replace(login, username=done.username), notice=_SAID["reset"])

    async def _forgotten_page(
        self, arrived: Arrived, form: ForgottenForm, *, status: int = 200, problem: str = "", at: str = ""
    ) -> HostedResponse:
        return await self._context.page(
            arrived,
            "forgot.html",
            status=status,
            redirect_uri=form.redirect_uri,
            action=arrived.link("/forgotPassword", form.query),
            sign_in_link=arrived.link("/login", form.query),
            code_link=arrived.link("/confirmforgotPassword", form.query),
            name=look_of_name(names_to_sign_in(arrived.pool), value=form.username),
            problem=problem,
            at=at,
        )


async def reset_page(
    context: HostedContext, arrived: Arrived, form: ResetForm, *, status: int = 200, problem: str = "", at: str = ""
) -> HostedResponse:
    """The page that asks for the code and the new password."""
    return await context.page(
        arrived,
        "reset.html",
        status=status,
        redirect_uri=form.redirect_uri,
        action=arrived.link("/confirmforgotPassword", form.query),
        again_link=arrived.link("/forgotPassword", form.query),
        name=look_of_name(names_to_sign_in(arrived.pool), value=form.username),
        form=form,
        policy=form.password_policy,
        problem=problem,
        at=at,
    )

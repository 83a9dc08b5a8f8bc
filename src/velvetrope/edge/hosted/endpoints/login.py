"""/login: the sign-in form, shown and taken."""

from velvetrope.edge.hosted.context import FORM_NOT_OURS, HostedContext
from velvetrope.edge.hosted.endpoints.account_recovery import reset_page
from velvetrope.edge.hosted.endpoints.sign_up import confirmation_page
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.sign_in_page import sign_in_page
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import ConfirmationForm, Credentials, ElsewhereFirst, LoginForm, ResetForm, SignInRefused
from velvetrope.oauth import Parameters
from velvetrope.secret import Secret

__all__ = ["LoginEndpoint"]


class LoginEndpoint:
    """A name and a password."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return self._context.form_rows("/login", show=self._show, take=self._sign_in, again=self._again)

    async def _show(self, arrived: Arrived) -> HostedResponse:
        parameters = Parameters.parse(arrived.request.query)
        form = await self._context.flows.password_sign_in.login_page(arrived.pool, parameters)
        if not form.for_own_users and len(form.providers) == 1:
            return redirect_response(arrived.link("/oauth2/authorize", form.providers[0].query))
        return await self._form(arrived, form, status=200)

    async def _again(self, arrived: Arrived, _fields: Parameters) -> HostedResponse:
        parameters = Parameters.parse(arrived.request.query)
        form = await self._context.flows.password_sign_in.login_page(arrived.pool, parameters)
        return await self._form(arrived, form, status=403, problem=FORM_NOT_OURS)

    async def _sign_in(self, arrived: Arrived, fields: Parameters) -> HostedResponse:
        request, flow = arrived.request, self._context.flows.password_sign_in
        parameters = Parameters.parse(request.query)
        credentials = Credentials(
            fields.get("username") or "", Secret(fields.get("password") or ""), fields.get("factor")
        )
        try:
            reached = await flow.sign_in(
                arrived.pool, parameters, credentials, holds=self._context.holds(arrived), now=request.now
            )
        except ElsewhereFirst as refusal:
            self._context.record_refusal(arrived, "SignInRefused", refusal)
            if isinstance(refusal.instead, ConfirmationForm):
                return await confirmation_page(
                    self._context, arrived, refusal.instead, status=400, problem=refusal.message
                )
            if isinstance(refusal.instead, ResetForm):
                return await reset_page(self._context, arrived, refusal.instead, status=400, problem=refusal.message)
            return await self._form(arrived, refusal.form, status=400, problem=refusal.message)
        except SignInRefused as refusal:
            self._context.record_refusal(arrived, "SignInRefused", refusal)
            return await self._form(arrived, refusal.form, status=400, problem=refusal.message)
        return self._context.go_on(arrived, reached)

    async def _form(self, arrived: Arrived, form: LoginForm, *, status: int, problem: str = "") -> HostedResponse:
        return await sign_in_page(self._context, arrived, form, status=status, problem=problem)

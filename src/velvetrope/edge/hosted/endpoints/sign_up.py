"""/signup, /confirm, /resendcode and /confirmUser: the pages of who becomes a user."""

from dataclasses import replace

from velvetrope.edge.hosted.context import FORM_NOT_OURS, HostedContext
from velvetrope.edge.hosted.field_labels import look_of_attribute, look_of_name
from velvetrope.edge.hosted.pages import destination
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.hosted.sign_in_page import sign_in_page
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import (
    AccountRefused,
    ConfirmationForm,
    ConfirmedHere,
    PasskeyOffered,
    SignedIn,
    SignUpFlow,
    SignUpForm,
    StepAhead,
    names_to_sign_in,
    names_to_sign_up,
)
from velvetrope.oauth import Parameters
from velvetrope.secret import Secret

__all__ = ["SignUpEndpoints", "confirmation_page"]

_SAID = {
    "confirmed": "Your account is confirmed. Sign in to go on.",
    "link": "We have sent another link to {destination}.",
    "code": "We have sent another code to {destination}.",
}
_NO_FIELDS = Parameters(())


class SignUpEndpoints:
    """Sign-up and confirmation."""

    def __init__(self, context: HostedContext, flow: SignUpFlow) -> None:
        self._context = context
        self._flow = flow

    def rows(self) -> dict[str, Endpoint]:
        return {
            **self._context.form_rows("/signup", show=self._show, take=self._sign_up, again=self._show_again),
            **self._context.form_rows(
                "/confirm", show=self._show_confirmation, take=self._confirm, again=self._show_confirmation_again
            ),
            "/resendcode": Endpoint(
                "page", {"POST": self._context.taking(self._resend, self._show_confirmation_again)}
            ),
            # By GET alone: HEAD asks what a link is, and must not use it up.
            "/confirmUser": Endpoint("page", {"GET": self._confirm_by_link}),
            "/confirmUser/": Endpoint("page", {"GET": self._confirm_by_link}),
        }

    async def _show(self, arrived: Arrived) -> HostedResponse:
        form = await self._flow.sign_up_page(arrived.pool, Parameters.parse(arrived.request.query))
        return await self._sign_up_page(arrived, form, _NO_FIELDS)

    async def _show_again(self, arrived: Arrived, fields: Parameters) -> HostedResponse:
        form = await self._flow.sign_up_page(arrived.pool, Parameters.parse(arrived.request.query))
        return await self._sign_up_page(arrived, form, fields, status=403, problem=FORM_NOT_OURS)

    async def _sign_up(self, arrived: Arrived, fields: Parameters) -> HostedResponse:
        request, parameters = arrived.request, Parameters.parse(arrived.request.query)
        form = await self._flow.sign_up_page(arrived.pool, parameters)
        given = {one.name: fields.get(f"requiredAttributes[{one.name}]") for one in form.fields}
        try:
            outcome = await self._flow.sign_up(
                arrived.pool,
                parameters,
                username=fields.get("username") or "",
                password=Secret(fields.get("password") or ""),
                attributes={name: value for name, value in given.items() if value is not None},
                holds=self._context.holds(arrived),
                now=request.now,
            )
        except AccountRefused as refusal:
            self._context.record_refusal(arrived, "SignUpRefused", refusal)
            return await self._sign_up_page(
                arrived, form, fields, status=400, problem=refusal.message, at=refusal.field
            )
        if isinstance(outcome, ConfirmationForm):
            return await confirmation_page(self._context, arrived, outcome)
        return await self._ended(arrived, outcome)

    async def _show_confirmation(self, arrived: Arrived) -> HostedResponse:
        form = await self._flow.confirmation_page(arrived.pool, Parameters.parse(arrived.request.query))
        return await confirmation_page(self._context, arrived, form)

    async def _show_confirmation_again(self, arrived: Arrived, _fields: Parameters) -> HostedResponse:
        form = await self._flow.confirmation_page(arrived.pool, Parameters.parse(arrived.request.query))
        return await confirmation_page(self._context, arrived, form, status=403, problem=FORM_NOT_OURS)

    async def _confirm(self, arrived: Arrived, fields: Parameters) -> HostedResponse:
        request, parameters = arrived.request, Parameters.parse(arrived.request.query)
        username, ticket = fields.get("username") or "", fields.get("ticket") or ""
        try:
            outcome = await self._flow.confirm(
                arrived.pool,
                parameters,
                username=username,
                code=(fields.get("code") or "").strip(),
                ticket=ticket,
                holds=self._context.holds(arrived),
                now=request.now,
            )
        except AccountRefused as refusal:
            return await self._refused_confirmation(arrived, "ConfirmRefused", refusal, username, ticket)
        return await self._ended(arrived, outcome)

    async def _resend(self, arrived: Arrived, fields: Parameters) -> HostedResponse:
        request, parameters = arrived.request, Parameters.parse(arrived.request.query)
        username, ticket = fields.get("username") or "", fields.get("ticket") or ""
        try:
            form = await self._flow.resend(
                arrived.pool, parameters, username=username, ticket=ticket, now=request.now, source_ip=request.peer
            )
        except AccountRefused as refusal:
            return await self._refused_confirmation(arrived, "ResendRefused", refusal, username, ticket)
        return await confirmation_page(self._context, arrived, form, notice=_SAID["link" if form.by_link else "code"])

    async def _confirm_by_link(self, arrived: Arrived) -> HostedResponse:
        request = arrived.request
        try:
            await self._flow.confirm_by_link(
                arrived.pool, Parameters.parse(request.query), now=request.now, source_ip=request.peer
            )
        except AccountRefused as refusal:
            # Why is the owner's to know: links can be made up, and the answer would say who is confirmed.
            self._context.record_refusal(arrived, "ConfirmRefused", refusal)
            return await self._context.page(arrived, "link.html", status=400, language_links=False, refused=True)
        return await self._context.page(arrived, "link.html", language_links=False, refused=False)

    # What comes next.

    async def _ended(
        self, arrived: Arrived, outcome: SignedIn | StepAhead | PasskeyOffered | ConfirmedHere
    ) -> HostedResponse:
        if isinstance(outcome, SignedIn | StepAhead | PasskeyOffered):
            return self._context.go_on(arrived, outcome)
        form = await self._context.flows.password_sign_in.login_page(arrived.pool, Parameters.parse(outcome.query))
        return await sign_in_page(
            self._context, arrived, replace(form, username=outcome.username), notice=_SAID["confirmed"]
        )

    async def _refused_confirmation(
        self, arrived: Arrived, code: str, refusal: AccountRefused, username: str, ticket: str
    ) -> HostedResponse:
        self._context.record_refusal(arrived, code, refusal)
        form = await self._flow.confirmation_page(arrived.pool, Parameters.parse(arrived.request.query))
        return await confirmation_page(
            self._context,
            arrived,
            replace(form, username=username, ticket=ticket),
            status=400,
            problem=refusal.message,
            at=refusal.field,
        )

    async def _sign_up_page(
        self,
        arrived: Arrived,
        form: SignUpForm,
        given: Parameters,
        *,
        status: int = 200,
        problem: str = "",
        at: str = "",
    ) -> HostedResponse:
        username = look_of_name(names_to_sign_up(arrived.pool), value=given.get("username") or "", new=True)
        looks = [look_of_attribute(one, value="") for one in form.fields]
        client_id = Parameters.parse(arrived.request.query).get("client_id")
        return await self._context.page(
            arrived,
            "signup.html",
            status=status,
            redirect_uri=form.redirect_uri,
            action=arrived.link("/signup", form.query),
            destination=destination(form.redirect_uri),
            name=username,
            fields=[(look, given.get(look.name) or "") for look in looks],
            policy=form.password_policy,
            terms=await self._context.terms_links(arrived, client_id),
            problem=problem,
            at=at,
            sign_in_link=arrived.link("/login", form.query),
            confirm_link=arrived.link("/confirm", form.query),
        )


async def confirmation_page(
    context: HostedContext,
    arrived: Arrived,
    form: ConfirmationForm,
    *,
    status: int = 200,
    problem: str = "",
    notice: str = "",
    at: str = "",
) -> HostedResponse:
    """The page that asks for the code of a sign-up, or says that a link was sent, or that an administrator confirms."""
    return await context.page(
        arrived,
        "confirm.html",
        status=status,
        redirect_uri=form.redirect_uri,
        action=arrived.link("/confirm", form.query),
        resend_action=arrived.link("/resendcode", form.query),
        sign_in_link=arrived.link("/login", form.query),
        name=look_of_name(names_to_sign_in(arrived.pool), value=form.username),
        form=form,
        notice=notice,
        problem=problem,
        at=at,
    )

"""The pages of what a sign-in still asks: a code, a choice, a new password, a second factor, a passkey.

Which challenge is asked where is `hosted_ui.STEP_PATHS`; what each page is given stands in `_VALUES`.
"""

from collections.abc import Callable, Mapping

from velvetrope.edge.hosted.attribute_fields import attribute_field
from velvetrope.edge.hosted.authenticator_codes import AuthenticatorCode, authenticator_code
from velvetrope.edge.hosted.context import FORM_NOT_OURS, HostedContext
from velvetrope.edge.hosted.pages import destination
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import STEP_PATHS, AnswerRefused, StepAhead, StepIsOver, StepPage
from velvetrope.oauth import Parameters

__all__ = ["SignInStepPages"]

_TEMPLATES: Mapping[str, str] = {
    "/mfa": "mfa.html",
    "/mfaOption": "mfa_option.html",
    "/signInOption": "sign_in_option.html",
    "/mfaSetup": "mfa_setup.html",
    "/resetPassword": "new_password.html",
    "/passkey": "passkey.html",
}
_SCRIPTS: Mapping[str, str] = {"/passkey": "passkey.js"}


class SignInStepPages:
    """One page per kind of question."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        rows: dict[str, Endpoint] = {}
        for path in sorted(set(STEP_PATHS.values())):
            rows |= self._context.form_rows(path, show=self._show, take=self._take, again=self._again)
        return rows

    async def _show(self, arrived: Arrived) -> HostedResponse:
        return await self._shown(arrived, status=200)

    async def _again(self, arrived: Arrived, _fields: Parameters) -> HostedResponse:
        return await self._shown(arrived, status=403, problem=FORM_NOT_OURS)

    async def _shown(self, arrived: Arrived, *, status: int, problem: str = "") -> HostedResponse:
        request = arrived.request
        try:
            shown = await self._context.flows.sign_in_steps.show(
                arrived.pool,
                Parameters.parse(request.query),
                path=arrived.address.endpoint,
                holds=self._context.holds(arrived),
                now=request.now,
            )
        except StepIsOver as over:
            return await self._over(arrived, over)
        if isinstance(shown, StepAhead):
            return self._context.go_on(arrived, shown)
        return await self._page(arrived, shown, status=status, problem=problem)

    async def _take(self, arrived: Arrived, fields: Parameters) -> HostedResponse:
        request = arrived.request
        try:
            reached = await self._context.flows.sign_in_steps.answer(
                arrived.pool,
                Parameters.parse(request.query),
                fields,
                path=arrived.address.endpoint,
                holds=self._context.holds(arrived),
                now=request.now,
            )
        except StepIsOver as over:
            return await self._over(arrived, over)
        except AnswerRefused as refusal:
            self._context.record_refusal(arrived, "AnswerRefused", refusal)
            about = "email" if fields.get("email") is not None else "code"
            return await self._page(arrived, refusal.page, status=400, problem=refusal.message, about=about)
        return self._context.go_on(arrived, reached)

    async def _page(
        self, arrived: Arrived, page: StepPage, *, status: int, problem: str = "", about: str = ""
    ) -> HostedResponse:
        """`about` is the field that `problem` is about, where a page has several forms."""
        path = STEP_PATHS[page.pending.challenge]
        values = _VALUES[path](arrived, page)
        return await self._context.page(
            arrived,
            _TEMPLATES[path],
            status=status,
            redirect_uri=page.redirect_uri,
            script=_SCRIPTS.get(path, ""),
            language_links=True,
            action=arrived.link(path, page.query),
            start_again=arrived.link("/login", page.query),
            destination=destination(page.redirect_uri),
            username=page.pending.username,
            problem=problem,
            about=about,
            **values,
        )

    async def _over(self, arrived: Arrived, over: StepIsOver) -> HostedResponse:
        """Nothing waits here. Who has been signed in meanwhile goes on with one click, everybody else begins anew."""
        self._context.record_refusal(arrived, "StepIsOver", over)
        return await self._context.page(
            arrived,
            "step_over.html",
            status=400,
            redirect_uri=over.redirect_uri,
            destination=destination(over.redirect_uri),
            go_on=arrived.link("/oauth2/authorize", over.query),
        )


def _code_values(_arrived: Arrived, page: StepPage) -> dict[str, object]:
    parameters = page.pending.parameters
    return {
        "challenge": page.pending.challenge,
        "sent_to": parameters.get("CODE_DELIVERY_DESTINATION", ""),
        "medium": parameters.get("CODE_DELIVERY_DELIVERY_MEDIUM", ""),
        "device": parameters.get("FRIENDLY_DEVICE_NAME", ""),
    }


def _mfa_option_values(_arrived: Arrived, page: StepPage) -> dict[str, object]:
    return {"choices": page.listed("MFAS_CAN_CHOOSE")}


def _sign_in_option_values(arrived: Arrived, page: StepPage) -> dict[str, object]:
    return {"choices": page.first_factors, "with_password": arrived.link("/login", page.query)}


def _mfa_setup_values(arrived: Arrived, page: StepPage) -> dict[str, object]:
    secret = page.pending.parameters.get("SECRET_CODE")
    app: AuthenticatorCode | None = None
    if secret is not None:
        app = authenticator_code(secret, issuer=arrived.pool.name, account=page.pending.username)
    return {"app": app, "choices": page.listed("MFAS_CAN_SETUP")}


def _new_password_values(arrived: Arrived, page: StepPage) -> dict[str, object]:
    return {
        "attributes": [attribute_field(name) for name in page.required_attributes],
        "policy": arrived.pool.password_policy,
    }


def _passkey_values(_arrived: Arrived, page: StepPage) -> dict[str, object]:
    return {"options": page.pending.parameters.get("CREDENTIAL_REQUEST_OPTIONS", "{}")}


_VALUES: Mapping[str, Callable[[Arrived, StepPage], dict[str, object]]] = {
    "/mfa": _code_values,
    "/mfaOption": _mfa_option_values,
    "/signInOption": _sign_in_option_values,
    "/mfaSetup": _mfa_setup_values,
    "/resetPassword": _new_password_values,
    "/passkey": _passkey_values,
}

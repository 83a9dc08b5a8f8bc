"""What every endpoint of the hosted UI is given, and the few things that all of them do.

    class TokenEndpoint:
        def __init__(self, context: HostedContext) -> None: ...
        def rows(self) -> dict[str, Endpoint]: ...

An endpoint module is one noun: it reads fields, calls one flow, and renders what came of it. Cookies, CSRF, decision
records and the address of this server are here, so that no endpoint has a rule of its own about them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from velvetrope.clock import Clock, Entropy
from velvetrope.decisions import DecisionRecord, DecisionStep, Recorder
from velvetrope.edge.hosted import cookies
from velvetrope.edge.hosted.addresses import HostedAddress, is_loopback_host
from velvetrope.edge.hosted.dressing import Dressing
from velvetrope.edge.hosted.pages import render_page
from velvetrope.edge.hosted.requests import HostedRequest
from velvetrope.edge.hosted.responses import HostedResponse, redirect_response
from velvetrope.edge.hosted.table import Answer, Arrived, Endpoint, page_rows
from velvetrope.edge.hosted.terms_links import TermsLinks, TermsSource, terms_links
from velvetrope.errors import VelvetropeError
from velvetrope.hosted_ui import (
    BrowserHolds,
    HostedUi,
    PasskeyOffered,
    SignedIn,
    StepAhead,
    UserDirectory,
    session_lifetime,
)
from velvetrope.oauth import Parameters
from velvetrope.secret import Secret

__all__ = ["FORM_NOT_OURS", "PAGE_ERROR_TEXT", "PASSKEY_OFFER", "HostedContext", "TakeForm"]

PASSKEY_OFFER = "/passkeys/offer"
"""Where a passkey is offered on the way back to the app; the path is ours."""
PAGE_ERROR_TEXT = "An error was encountered with the requested page."
FORM_NOT_OURS = (
    "This form could not be verified, so nothing was sent on. It may have been open for too long, or your browser "
    "blocked its cookie. Please try again."
)


TakeForm = Callable[[Arrived, Parameters], Awaitable[HostedResponse]]
"""Answers a request by the fields of its form."""


@dataclass(frozen=True, slots=True)
class HostedContext:
    """The house that the endpoints stand in."""

    directory: UserDirectory
    flows: HostedUi
    clock: Clock
    entropy: Entropy
    recorder: Recorder | None = None
    public_origin: str | None = None
    """The origin that the world knows this server by; None in development."""
    dressing: Dressing = field(default_factory=Dressing)
    """In which language and in whose look pages are shown."""
    terms: TermsSource | None = None
    """What people who sign up are to read."""

    # Pages.

    async def page(
        self,
        arrived: Arrived,
        template: str,
        *,
        status: int = 200,
        redirect_uri: str = "",
        script: str = "",
        language_links: bool = True,
        **values: object,
    ) -> HostedResponse:
        """A page in the language of who reads it and in the look of the client that the address names.

        The template is given `csrf_token` for its forms, and the browser the cookie that goes with it. `redirect_uri`
        is where a form of the page leads in the end, `script` the one script that it runs. `language_links` are left
        out where GET is used up by one use.
        """
        token = self.csrf_token(arrived)
        dress = await self.dressing.dress(arrived.request, arrived.pool, with_links=language_links)
        response = render_page(
            template, dress, status=status, redirect_uri=redirect_uri, script=script, csrf_token=token, **values
        )
        self.keep_csrf_token(arrived, response, token)
        asked = self.dressing.asked_language(arrived.request)
        if asked is not None:
            kept = cookies.render_language_cookie(arrived.request, arrived.domain, asked.code)
            response.headers.append(("set-cookie", kept))
        return response

    async def terms_links(self, arrived: Arrived, client_id: str | None) -> TermsLinks | None:
        """What an app has its people read, in the language of the page; None where there is nothing to read."""
        if self.terms is None or client_id is None:
            return None
        links = await self.terms.links(arrived.pool, client_id)
        return terms_links(links, self.dressing.language(arrived.request, arrived.pool))

    def own_origins(self, request: HostedRequest) -> frozenset[str]:
        """Where forms of ours come from: the address that was used, and the public one."""
        here = f"https://{request.authority}".lower()
        return frozenset({here, self.public_origin.lower()} if self.public_origin else {here})

    # Forms.

    def form_rows(self, path: str, *, show: Answer, take: TakeForm, again: TakeForm) -> dict[str, Endpoint]:
        """A page with a form of ours: see `taking`."""
        return page_rows(path, show=show, take=self.taking(take, again))

    def taking(self, take: TakeForm, again: TakeForm) -> Answer:
        """Takes a form, once it is one and was given to this browser by us; else shows it `again`, as 403.

        Only `take` may act on the fields. `again` is given them so that nobody has to type anew.
        """

        async def answer(arrived: Arrived) -> HostedResponse:
            if not arrived.request.is_form:
                return HostedResponse(415)
            fields = Parameters.parse(arrived.request.body)
            ours = self._form_is_ours(arrived, fields)
            return await (take if ours else again)(arrived, fields)

        return answer

    def _form_is_ours(self, arrived: Arrived, fields: Parameters) -> bool:
        """Whether this browser was given the form by us; that it was not is recorded."""
        request = arrived.request
        origins = self.own_origins(request)
        if cookies.form_is_ours(request, arrived.domain, fields.get("_csrf"), own_origins=origins):
            return True
        self.record(request, arrived.address, 403, "CsrfMismatch", "the form does not carry this browser's token")
        return False

    def csrf_token(self, arrived: Arrived) -> str:
        """What a form has to repeat: the browser's token, or a new one. Goes with `keep_csrf_token`."""
        return cookies.csrf_token_of(arrived.request, arrived.domain) or cookies.new_csrf_token(self.entropy)

    def keep_csrf_token(self, arrived: Arrived, response: HostedResponse, token: str) -> None:
        """Have the browser hold the token that a form in this response repeats."""
        response.headers.append(("set-cookie", cookies.render_csrf_cookie(arrived.request, arrived.domain, token)))

    # Sessions.

    def session_of(self, arrived: Arrived) -> Secret[str] | None:
        """What the browser presents as its session."""
        return cookies.SESSION.of(arrived.request, arrived.domain)

    def holds(self, arrived: Arrived) -> BrowserHolds:
        """What the browser presents besides a form."""
        request, domain = arrived.request, arrived.domain
        return BrowserHolds(
            step=cookies.STEP.of(request, domain),
            session=cookies.SESSION.of(request, domain),
            source_ip=request.peer,
            put_off_passkeys=cookies.passkeys_are_put_off(request, domain),
        )

    def go_on(self, arrived: Arrived, reached: SignedIn | StepAhead | PasskeyOffered) -> HostedResponse:
        """Back to the app, or on to the page that asks what is left to ask."""
        if isinstance(reached, SignedIn):
            return self.finish(arrived, reached)
        if isinstance(reached, PasskeyOffered):
            return self._signed_in(arrived, arrived.link(PASSKEY_OFFER, reached.query), reached.session_id)
        response = redirect_response(arrived.link(reached.path, reached.query))
        if reached.held is not None:
            held = cookies.STEP.render(arrived.request, arrived.domain, reached.held)
            response.headers.append(("set-cookie", held))
        return response

    def finish(self, arrived: Arrived, signed_in: SignedIn) -> HostedResponse:
        """The end of every sign-in: back to the app, and the browser keeps its session."""
        return self._signed_in(arrived, signed_in.uri, signed_in.session_id)

    def _signed_in(self, arrived: Arrived, uri: str, session_id: Secret[str]) -> HostedResponse:
        """On to `uri` with a session. The CSRF token is replaced: what was known before is worth nothing after it."""
        request, domain = arrived.request, arrived.domain
        response = redirect_response(uri)
        max_age = int(session_lifetime(arrived.pool).total_seconds())
        session = cookies.SESSION.render(request, domain, session_id, max_age_seconds=max_age)
        response.headers.append(("set-cookie", session))
        if cookies.STEP.of(request, domain) is not None:
            response.headers.append(("set-cookie", cookies.STEP.expired(request, domain)))
        self.keep_csrf_token(arrived, response, cookies.new_csrf_token(self.entropy))
        return response

    # Identity providers.

    def own_uri(self, arrived: Arrived, endpoint: str) -> str:
        """An endpoint of ours as a provider is told it: at the address that the browser used."""
        return f"https://{arrived.request.authority}{arrived.address.prefix}{endpoint}"

    def own_addresses(self, arrived: Arrived, endpoint: str) -> frozenset[str]:
        """Every way in which the endpoint may have been written down for a provider of this pool.

        The address that was used is among them where nobody else can have it: who brings a message chooses the Host
        header, and what was meant for another address must not become ours by naming that.
        """
        used, host = f"https://{arrived.request.authority}", arrived.request.host
        origins = {self.public_origin} if self.public_origin else {used, used.lower()}
        if is_loopback_host(host) or host.lower() == arrived.pool.domain_host:
            origins |= {used, used.lower()}
        prefixes = {"", f"/{arrived.domain}"}
        return frozenset(f"{origin}{prefix}{endpoint}" for origin in origins for prefix in prefixes)

    # Records.

    def not_a_form(self, arrived: Arrived) -> HostedResponse:
        """Cognito's answer to a content type that it cannot read: 405 with nothing in it. The owner is told why."""
        sent = (arrived.request.header("content-type") or "none")[:100]
        reason = f"the body is to be application/x-www-form-urlencoded; its content type is {sent!r}"
        self.record(arrived.request, arrived.address, 405, "MethodNotAllowed", reason)
        return HostedResponse(405)

    def record_refusal(self, arrived: Arrived, code: str, refusal: VelvetropeError) -> None:
        """What somebody is told above the form, with what the owner is told besides."""
        self.record(arrived.request, arrived.address, 400, code, refusal.detail or refusal.message)

    def record(self, request: HostedRequest, address: HostedAddress, status: int, code: str, reason: str) -> None:
        """Leave a decision record: the owner is told why, whoever was refused is told what Cognito would say."""
        if self.recorder is None:
            return
        self.recorder.record(
            DecisionRecord(
                request_id=request.request_id,
                at=request.now,
                service="hosted-ui",
                action=f"hosted-ui:{address.endpoint}",
                resource=address.pool,
                method=request.method,
                path=request.path,
                source_ip=request.peer,
                principal_arn="",
                outcome="refused",
                status=status,
                code=code,
                steps=(DecisionStep(address.endpoint, "refused", reason),),
                duration_ms=(self.clock.now() - request.now).total_seconds() * 1000,
            )
        )

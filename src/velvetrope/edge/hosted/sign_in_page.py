"""The sign-in page, as everybody shows it who leads there: the page itself, and what ends with "now sign in"."""

from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.field_labels import look_of_name
from velvetrope.edge.hosted.pages import destination
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.hosted.table import Arrived
from velvetrope.hosted_ui import LoginForm

__all__ = ["sign_in_page"]

_PROVIDER_LABELS = {"LoginWithAmazon": "Amazon", "SignInWithApple": "Apple"}
"""Providers that people know under another name than AWS."""


async def sign_in_page(
    context: HostedContext, arrived: Arrived, form: LoginForm, *, status: int = 200, problem: str = "", notice: str = ""
) -> HostedResponse:
    """The form, with what is wrong or what has just happened above it."""
    return await context.page(
        arrived,
        "login.html" if form.for_own_users else "choose_provider.html",
        status=status,
        redirect_uri=form.redirect_uri,
        action=arrived.link("/login", form.query),
        destination=destination(form.redirect_uri),
        name=look_of_name(form.names, value=form.username),
        factors=form.factors,
        providers=[
            (_PROVIDER_LABELS.get(link.name, link.name), arrived.link("/oauth2/authorize", link.query))
            for link in form.providers
        ],
        problem=problem,
        notice=notice,
        sign_up_link=arrived.link("/signup", form.query) if form.offers_sign_up else "",
        forgotten_link=arrived.link("/forgotPassword", form.query) if form.offers_recovery else "",
    )

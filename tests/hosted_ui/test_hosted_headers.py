"""Every path of a domain, whatever it answers: never framed, never kept, and no form without its token."""

import re
from urllib.parse import urlencode

from support.hosted_house import PASSWORD, House
from support.hosted_ui import CALLBACK, Browser, Response, authorize_query

SESSION = "__Host-cognito-auth-api-demo-4800"
FOR_APPS = {"/oauth2/token", "/oauth2/userInfo", "/oauth2/revoke"}
FROM_ELSEWHERE = {"/oauth2/idpresponse", "/saml2/idpresponse", "/saml2/logout"}
"""What identity providers have browsers post: bound to the browser by what it left with, not by a token of a form."""


def is_safe(response: Response) -> bool:
    """The headers of section 4 of the reference, and a policy on everything that a browser shows."""
    policy = response.header("content-security-policy") or ""
    html = (response.header("content-type") or "").startswith("text/html")
    shown = "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    scripts = len(re.findall(r"<script(?![^>]*application/json)", response.text))
    return (
        response.header("x-frame-options") == "DENY"
        and response.header("x-content-type-options") == "nosniff"
        and response.header("cache-control") == "no-cache, no-store, max-age=0, must-revalidate"
        and response.header("referrer-policy") == "same-origin"
        and (not html or shown)
        and (scripts == 0 or (scripts == 1 and "script-src 'sha256-" in policy))
        and "unsafe" not in policy
    )


async def signed_in(house: House) -> Browser:
    browser = house.browser()
    await house.sign_in(browser)
    return browser


async def test_every_page_has_the_headers_that_keep_it_safe(house: House) -> None:
    await house.allow_first_factors("PASSWORD", "WEB_AUTHN")
    browser, query = await signed_in(house), authorize_query(client_id=house.client_id)

    answers = {path: await browser.get(f"{path}?{query}") for path in house.pages.paths}

    assert {path for path, answer in answers.items() if not is_safe(answer)} == set()
    assert {path for path, answer in answers.items() if answer.status >= 500} == set()


async def test_no_form_of_a_page_does_anything_without_its_token(house: House) -> None:
    query = authorize_query(client_id=house.client_id)
    fields = {
        "username": "demouser",
        "password": PASSWORD,
        "code": "000000",
        "credential": "{}",
        "email": "a@b.example",
    }

    for path in sorted(house.pages.paths - FOR_APPS - FROM_ELSEWHERE):
        browser = await signed_in(house)
        before = browser.cookies[SESSION]
        answer = await browser.post(f"{path}?{query}", fields)
        assert answer.status in {400, 403, 405}, path
        assert is_safe(answer), path
        assert browser.cookies.get(SESSION) == before, path


async def test_pages_answer_no_other_origin(house: House) -> None:
    query = urlencode({"client_id": house.client_id, "redirect_uri": CALLBACK, "response_type": "code"})
    browser = house.browser()

    for path in sorted(house.pages.paths - FOR_APPS):
        answer = await browser.get(f"{path}?{query}", headers={"origin": "https://evil.example"})
        assert answer.header("access-control-allow-origin") is None, path

"""Sign-up, confirmation and forgotten passwords on the pages, with every refusal beside its permission."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from support.hosted_house import PASSWORD, House, secret_on
from support.hosted_ui import CALLBACK, Browser, Response, authorize_query
from support.userpools import RaisedInFunction
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import (
    AccountRecoverySetting,
    AdminCreateUserConfig,
    LambdaConfig,
    RecoveryOption,
    SchemaAttribute,
    SoftwareTokenMfaConfig,
    VerificationMessageTemplate,
)
from velvetrope.userpools.shapes import AttributeType

NEW_PASSWORD = "anotherPASS456!"
ANNA = {"username": "anna", "password": PASSWORD, "requiredAttributes[email]": "anna@people.example"}


@asynccontextmanager
async def open_house(folder: Path, *, with_user: bool = True, **pool: object) -> AsyncIterator[House]:
    """A pool made with these members, and a client that hides who exists."""
    house = await House.open(folder)
    try:
        await house.furnish(with_user=with_user, **pool)
        house.client_id = await house.add_client(prevent_user_existence_errors="ENABLED")
        yield house
    finally:
        await house.close()


async def post(browser: Browser, page: Response, form: Mapping[str, str], *, action: str = "") -> Response:
    """The form of that page, sent as a browser sends it, to its own address or to that of one of its buttons."""
    return await browser.post(
        action or page.form_action,
        {"_csrf": page.csrf_token, **form},
        headers={"origin": browser.origin, "sec-fetch-site": "same-origin"},
    )


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, auto_verified_attributes=("email",)) as house:
        yield house


async def sign_up(house: House, browser: Browser, **changes: str) -> Response:
    page = await house.page(browser, "/signup")
    return await post(browser, page, {**ANNA, **changes})


def shown(response: Response) -> str:
    """The page as a reader has it, without entities."""
    return unescape(response.text)


def hidden(response: Response, name: str) -> str:
    return response.text.split(f'name="{name}" value="', 1)[1].split('"', 1)[0]


async def confirm(house: House, browser: Browser, page: Response, code: str) -> Response:
    form = {"username": hidden(page, "username"), "ticket": hidden(page, "ticket"), "code": code}
    return await post(browser, page, form)


# From nobody to signed in.


async def test_somebody_signs_up_confirms_and_is_back_at_the_app_with_a_code(house: House) -> None:
    browser = Browser(house.pages)

    asked = await sign_up(house, browser)
    done = await confirm(house, browser, asked, await house.last_code())
    tokens = await house.redeem(browser, done.answer["code"])
    again = await house.page(browser, "/oauth2/authorize")

    assert asked.status == 200
    assert "a***@p***" in asked.text
    assert done.location.startswith(CALLBACK)
    assert done.answer["state"] == "st4te"
    assert tokens["status"] == 200
    assert "code" in again.answer, "the browser has a session"


async def test_a_ticket_is_good_for_one_sign_in(house: House) -> None:
    browser = Browser(house.pages)
    asked = await sign_up(house, browser)
    ticket = hidden(asked, "ticket")
    await confirm(house, browser, asked, await house.last_code())
    user = {"user_pool_id": house.pool_id, "username": "anna"}
    kept = await house.pools.sign_in.find_client(house.pool_id, house.client_id)
    pool = await house.pools.sign_in.find_pool(house.pool_id)
    assert kept is not None
    assert pool is not None

    second = await house.pools.accounts.sign_in_with_ticket(
        pool, kept, username="anna", ticket=ticket, now=house.clock.now(), source_ip=""
    )

    assert (await house.call("admin_get_user", **user))["user_status"] == "CONFIRMED"
    assert second is None


async def test_a_code_without_the_ticket_confirms_and_signs_nobody_in(house: House) -> None:
    await sign_up(house, Browser(house.pages))
    stranger = Browser(house.pages)
    page = await house.page(stranger, "/confirm")

    done = await post(stranger, page, {"username": "anna", "code": await house.last_code()})
    still = await house.page(stranger, "/oauth2/authorize")

    assert done.status == 200
    assert "Your account is confirmed. Sign in to go on." in shown(done)
    assert done.form_action.startswith("/login?")
    assert still.location.startswith("/login?")


async def test_the_ticket_of_one_name_signs_nobody_else_in(house: House) -> None:
    anna, berta = Browser(house.pages), Browser(house.pages)
    ticket = hidden(await sign_up(house, anna), "ticket")
    page = await sign_up(house, berta, username="berta", **{"requiredAttributes[email]": "berta@people.example"})

    done = await post(berta, page, {"username": "berta", "ticket": ticket, "code": await house.last_code()})

    assert done.form_action.startswith("/login?")


async def test_a_ticket_ends_with_its_session_and_the_next_page_is_the_sign_in_page(house: House) -> None:
    browser = Browser(house.pages)
    asked = await sign_up(house, browser)
    code = await house.last_code()

    house.clock.advance(timedelta(minutes=3))
    done = await confirm(house, browser, asked, code)

    assert done.form_action.startswith("/login?")


async def test_a_ticket_still_stands_a_moment_before_its_session_ends(house: House) -> None:
    browser = Browser(house.pages)
    asked = await sign_up(house, browser)
    code = await house.last_code()

    house.clock.advance(timedelta(minutes=3) - timedelta(seconds=1))
    done = await confirm(house, browser, asked, code)

    assert "code" in done.answer


async def test_who_owes_a_second_factor_is_asked_for_it_after_the_confirmation(house: House) -> None:
    await house.set_mfa("ON", software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True))
    browser = Browser(house.pages)

    asked = await sign_up(house, browser)
    done = await confirm(house, browser, asked, await house.last_code())
    still = await house.page(browser, "/oauth2/authorize")
    set_up = await browser.get(done.location)
    admitted = await post(browser, set_up, {"code": house.totp(secret_on(set_up))})

    assert done.location.startswith("/mfaSetup?")
    assert still.location.startswith("/login?"), "nobody is signed in yet"
    assert "code" in admitted.answer


async def test_a_function_before_sign_ins_may_refuse_the_one_after_a_confirmation(house: House) -> None:
    def refuse(event: dict[str, Any]) -> None:
        raise RaisedInFunction("not today")

    config = LambdaConfig(pre_authentication=house.functions.answers("gate"))
    house.functions.define("gate", refuse)
    await house.call(
        "update_user_pool", user_pool_id=house.pool_id, lambda_config=config, auto_verified_attributes=("email",)
    )
    browser = Browser(house.pages)

    asked = await sign_up(house, browser)
    done = await confirm(house, browser, asked, await house.last_code())
    refused = await post(browser, done, {"username": "anna", "password": PASSWORD})

    assert done.form_action.startswith("/login?")
    assert "PreAuthentication failed with error not today." in refused.text


async def test_a_function_that_confirms_at_once_leads_straight_to_the_app(house: House) -> None:
    def at_once(event: dict[str, Any]) -> dict[str, Any]:
        event["response"]["autoConfirmUser"] = True
        return event

    arn = house.functions.answers("gate")
    house.functions.define("gate", at_once)
    await house.call("update_user_pool", user_pool_id=house.pool_id, lambda_config=LambdaConfig(pre_sign_up=arn))

    done = await sign_up(house, Browser(house.pages))

    assert "code" in done.answer


async def test_what_a_function_says_stands_above_the_form(house: House) -> None:
    def refuse(event: dict[str, Any]) -> None:
        raise RaisedInFunction("<b>No</b> strangers")

    arn = house.functions.answers("gate")
    house.functions.define("gate", refuse)
    await house.call("update_user_pool", user_pool_id=house.pool_id, lambda_config=LambdaConfig(pre_sign_up=arn))

    refused = await sign_up(house, Browser(house.pages))

    assert refused.status == 400
    assert "PreSignUp failed with error &lt;b&gt;No&lt;/b&gt; strangers." in refused.text
    assert "<b>No" not in refused.text


# What the sign-up page asks and refuses.


async def test_the_rules_for_passwords_are_told_before_and_after(house: House) -> None:
    browser = Browser(house.pages)
    page = await house.page(browser, "/signup")

    refused = await post(browser, page, {**ANNA, "password": "short"})

    for rule in ("At least 8 characters", "An upper-case letter", "A lower-case letter", "A digit", "A symbol"):
        assert rule in page.text
        assert rule in refused.text
    assert refused.status == 400
    assert "Password did not conform with policy: Password not long enough" in shown(refused)
    assert 'value="anna@people.example"' in refused.text
    assert "short" not in refused.text.replace("Password not long enough", "")


async def test_a_name_that_is_taken_is_refused_in_so_many_words(house: House) -> None:
    refused = await sign_up(house, Browser(house.pages), username="demouser")

    assert refused.status == 400
    assert "User already exists" in refused.text
    assert '<a href="#username">' in refused.text


@pytest.mark.parametrize("field", ["username", "password"])
async def test_a_sign_up_without_a_name_or_a_password_is_nobodys(house: House, field: str) -> None:
    refused = await sign_up(house, Browser(house.pages), **{field: ""})

    assert refused.status == 400
    assert "Enter a username and a password." in refused.text
    assert await house.messages() == []


async def test_a_field_that_the_page_does_not_ask_for_is_not_written(house: House) -> None:
    browser = Browser(house.pages)

    await sign_up(house, browser, **{"requiredAttributes[email_verified]": "true", "requiredAttributes[name]": "Root"})
    user = await house.call("admin_get_user", user_pool_id=house.pool_id, username="anna")

    written = {one["name"]: one["value"] for one in user["user_attributes"]}
    assert written.keys() == {"email", "email_verified", "sub"}
    assert written["email_verified"] == "false"


async def test_required_attributes_are_asked_for_and_custom_ones_that_the_client_may_write(tmp_path: Path) -> None:
    schema = (
        SchemaAttribute(name="given_name", required=True),
        SchemaAttribute(name="tier", attribute_data_type="String"),
        SchemaAttribute(name="secret", attribute_data_type="String"),
    )
    async with open_house(tmp_path, with_user=False, auto_verified_attributes=("email",), schema=schema) as house:
        await house.call(
            "update_user_pool_client",
            user_pool_id=house.pool_id,
            client_id=house.client_id,
            write_attributes=("email", "given_name", "custom:tier"),
            callback_urls=(CALLBACK,),
            allowed_o_auth_flows=("code",),
            allowed_o_auth_scopes=("openid", "email", "profile"),
            allowed_o_auth_flows_user_pool_client=True,
            supported_identity_providers=("COGNITO",),
        )
        browser = Browser(house.pages)
        page = await house.page(browser, "/signup")
        given = {**ANNA, "requiredAttributes[custom:tier]": "gold", "requiredAttributes[custom:secret]": "x"}

        without = await post(browser, page, given)
        made = await post(browser, page, {**given, "requiredAttributes[given_name]": "Anna"})
        user = await house.call("admin_get_user", user_pool_id=house.pool_id, username="anna")

    assert 'name="requiredAttributes[given_name]" type="text" value="" autocomplete="given-name"' in page.text
    assert "(optional)" in page.text
    assert "custom:secret" not in page.text
    assert without.status == 400
    assert "given_name: The attribute is required" in without.text
    assert made.status == 200
    written = {one["name"]: one["value"] for one in user["user_attributes"]}
    assert written["custom:tier"] == "gold"
    assert "custom:secret" not in written


async def test_where_names_are_addresses_the_address_is_asked_for_once(tmp_path: Path) -> None:
    async with open_house(
        tmp_path, with_user=False, username_attributes=("email",), auto_verified_attributes=("email",)
    ) as house:
        browser = Browser(house.pages)
        page = await house.page(browser, "/signup")

        asked = await post(browser, page, {"username": "Anna@People.example", "password": PASSWORD})
        done = await confirm(house, browser, asked, await house.last_code())

    assert page.text.count("E-mail address") == 1
    assert 'type="email"' in page.text
    assert "code" in done.answer


async def test_a_form_of_another_site_signs_nobody_up(house: House) -> None:
    browser = Browser(house.pages)
    page = await house.page(browser, "/signup")

    forged = await browser.post(page.form_action, {**ANNA, "_csrf": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"})
    foreign = await browser.post(
        page.form_action, {**ANNA, "_csrf": page.csrf_token}, headers={"origin": "https://evil.example"}
    )

    assert (forged.status, foreign.status) == (403, 403)
    assert await house.messages() == []


@pytest.mark.parametrize("path", ["/signup", "/confirm", "/forgotPassword", "/confirmforgotPassword"])
async def test_no_page_of_an_account_redirects_to_an_address_that_is_not_registered(house: House, path: str) -> None:
    response = await house.page(Browser(house.pages), path, redirect_uri="https://evil.example/")

    assert response.location.startswith("/error?error=redirect_mismatch")


@pytest.mark.parametrize("path", ["/signup", "/confirm", "/resendcode", "/forgotPassword", "/confirmforgotPassword"])
async def test_every_form_of_an_account_is_refused_over_plain_http(house: House, path: str) -> None:
    browser = Browser(house.pages, origin="http://localhost:4800")

    refused = await browser.post(f"{path}?{authorize_query(client_id=house.client_id)}", ANNA)

    assert refused.status == 403
    assert "https_required" in refused.text


# Who may sign up at all.


async def test_the_sign_in_page_leads_to_sign_up_and_to_a_new_password(house: House) -> None:
    page = await house.page(Browser(house.pages), "/login")

    assert 'href="/signup?client_id=' in page.text
    assert 'href="/forgotPassword?client_id=' in page.text


async def test_where_administrators_make_users_nobody_signs_up(house: House) -> None:
    browser = Browser(house.pages)
    open_page = await house.page(browser, "/signup")
    await house.call(
        "update_user_pool",
        user_pool_id=house.pool_id,
        admin_create_user_config=AdminCreateUserConfig(allow_admin_create_user_only=True),
    )

    login = await house.page(browser, "/login")
    page = await house.page(browser, "/signup")
    posted = await post(browser, open_page, ANNA)

    assert "/signup" not in login.text
    assert (page.status, posted.status) == (400, 400)
    assert "SignUp is not permitted for this user pool" in page.text
    assert "SignUp is not permitted for this user pool" in posted.text


async def test_where_an_administrator_resets_passwords_no_page_is_offered(house: House) -> None:
    only = AccountRecoverySetting(recovery_mechanisms=(RecoveryOption(priority=1, name="admin_only"),))
    await house.call("update_user_pool", user_pool_id=house.pool_id, account_recovery_setting=only)

    page = await house.page(Browser(house.pages), "/login")

    assert "/forgotPassword" not in page.text


async def test_where_nothing_is_sent_an_administrator_is_waited_for(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        browser = Browser(house.pages)
        page = await house.page(browser, "/signup")

        asked = await post(browser, page, {"username": "anna", "password": PASSWORD})

    assert "an administrator has to confirm it" in asked.text
    assert "<form" not in asked.text


# Codes.


async def test_a_wrong_code_is_refused_and_the_right_one_is_taken_after_it(house: House) -> None:
    browser = Browser(house.pages)
    asked = await sign_up(house, browser)
    code = await house.last_code()

    wrong = await confirm(house, browser, asked, f"{(int(code) + 1) % 10**6:06d}")
    right = await confirm(house, browser, wrong, code)

    assert wrong.status == 400
    assert "Invalid verification code provided, please try again." in wrong.text
    assert 'aria-invalid="true"' in wrong.text
    assert "code" in right.answer


async def test_guesses_at_a_code_are_counted(house: House) -> None:
    browser = Browser(house.pages)
    asked = await sign_up(house, browser)
    code = await house.last_code()
    for _ in range(15):
        await confirm(house, browser, asked, f"{(int(code) + 1) % 10**6:06d}")

    refused = await confirm(house, browser, asked, code)

    assert refused.status == 400
    assert "Attempt limit exceeded, please try after some time." in refused.text


async def test_another_code_is_sent_and_the_sign_in_still_goes_on(house: House) -> None:
    browser = Browser(house.pages)
    asked = await sign_up(house, browser)
    first = await house.last_code()
    form = {"username": hidden(asked, "username"), "ticket": hidden(asked, "ticket")}

    again = await post(browser, asked, form, action=asked.form_action.replace("/confirm?", "/resendcode?"))
    done = await confirm(house, browser, again, await house.last_code())

    assert "We have sent another code to a***@p***." in again.text
    assert len(await house.messages()) == 2
    assert first != await house.last_code()
    assert "code" in done.answer


async def test_too_many_codes_are_not_sent(house: House) -> None:
    browser = Browser(house.pages)
    asked = await sign_up(house, browser)
    form = {"username": "anna", "ticket": ""}
    action = asked.form_action.replace("/confirm?", "/resendcode?")
    for _ in range(5):
        await post(browser, asked, form, action=action)

    refused = await post(browser, asked, form, action=action)

    assert refused.status == 400
    assert "Attempt limit exceeded" in refused.text
    assert len(await house.messages()) == 6


async def test_who_signs_in_before_confirming_is_led_to_the_code_and_on_to_the_app(house: House) -> None:
    await sign_up(house, Browser(house.pages))
    browser = Browser(house.pages)

    asked = await house.sign_in(browser, username="anna")
    done = await confirm(house, browser, asked, await house.last_code())

    assert "Your account is not confirmed yet." in asked.text
    assert "code" in done.answer


async def test_a_wrong_password_says_nothing_of_an_account_that_is_not_confirmed(house: House) -> None:
    await sign_up(house, Browser(house.pages))

    wrong = await house.sign_in(Browser(house.pages), username="anna", password="guess")
    nobody = await house.sign_in(Browser(house.pages), username="bert", password="guess")

    assert "Incorrect username or password." in wrong.text
    assert "confirmed" not in wrong.text
    assert blanked(wrong, "anna") == blanked(nobody, "bert")


def blanked(response: Response, name: str) -> str:
    """A page without what differs from one name to another by itself."""
    return response.text.replace(name, "NAME").replace(response.csrf_token, "TOKEN")


# Links.


@pytest.fixture
async def linked(tmp_path: Path) -> AsyncIterator[House]:
    template = VerificationMessageTemplate(
        default_email_option="CONFIRM_WITH_LINK",
        email_message_by_link="Hello {username}: {##Click <b>here</b>##}",
        email_subject_by_link="Welcome",
    )
    async with open_house(
        tmp_path, auto_verified_attributes=("email",), verification_message_template=template
    ) as house:
        yield house


async def link_of(house: House) -> str:
    message = (await house.messages())[0]
    return unescape(message.text.split('href="', 1)[1].split('"', 1)[0])


async def test_a_link_confirms_and_signs_nobody_in(linked: House) -> None:
    browser = Browser(linked.pages)
    asked = await sign_up(linked, browser)
    message = (await linked.messages())[0]

    opened = await Browser(linked.pages).get(await link_of(linked))
    still = await linked.page(browser, "/oauth2/authorize")
    done = await linked.sign_in(browser, username="anna")

    assert "We have sent a link to" in asked.text
    assert 'name="code"' not in asked.text
    assert message.subject == "Welcome"
    assert message.text.startswith('Hello anna: <a href="https://localhost:4800/auth-api-demo/confirmUser/?client_id=')
    assert message.text.endswith(">Click <b>here</b></a>")
    assert opened.status == 200
    assert "Your account is confirmed" in opened.text
    assert "hreflang" not in opened.text, "a link to the same page would use the code up twice"
    assert still.location.startswith("/login?")
    assert "code" in done.answer


async def test_a_link_works_once(linked: House) -> None:
    await sign_up(linked, Browser(linked.pages))
    link = await link_of(linked)
    browser = Browser(linked.pages)

    first, second = await browser.get(link), await browser.get(link)

    assert (first.status, second.status) == (200, 400)
    assert "This link does not work" in second.text
    assert "CONFIRMED" not in second.text


async def test_asking_what_a_link_is_does_not_use_it_up(linked: House) -> None:
    await sign_up(linked, Browser(linked.pages))
    link = await link_of(linked)
    browser = Browser(linked.pages)

    asked = await browser.request("HEAD", link)
    opened = await browser.get(link)

    assert (asked.status, opened.status) == (405, 200)


@pytest.mark.parametrize("missing", ["client_id", "user_name", "confirmation_code"])
async def test_an_incomplete_link_confirms_nobody(linked: House, missing: str) -> None:
    await sign_up(linked, Browser(linked.pages))
    link = (await link_of(linked)).replace(f"{missing}=", f"not_{missing}=")

    refused = await Browser(linked.pages).get(link)

    assert refused.status == 400
    assert f"Required String parameter '{missing}' is not present" in shown(refused)


async def test_a_link_with_another_code_or_of_somebody_else_reads_the_same(linked: House) -> None:
    await sign_up(linked, Browser(linked.pages))
    link = await link_of(linked)
    code = link.rpartition("=")[2]
    browser = Browser(linked.pages)

    guessed = await browser.get(link.replace(code, f"{(int(code) + 1) % 10**6:06d}"))
    nobody = await browser.get(link.replace("anna", "bert"))

    assert (guessed.status, nobody.status) == (400, 400)
    assert guessed.text == nobody.text


async def test_a_link_is_not_sent_where_no_page_would_answer_it(linked: House) -> None:
    await linked.call("delete_user_pool_domain", domain="auth-api-demo", user_pool_id=linked.pool_id)

    with pytest.raises(Exception, match="There has to be an existing domain"):
        await linked.call(
            "sign_up",
            client_id=linked.client_id,
            username="anna",
            password=Secret(PASSWORD),
            user_attributes=(AttributeType(name="email", value="anna@people.example"),),
        )

    assert await linked.messages() == []


async def test_the_code_of_a_link_is_a_code_like_any(linked: House) -> None:
    """ConfirmSignUp takes it: whoever reads the mail can type it."""
    await sign_up(linked, Browser(linked.pages))
    code = (await link_of(linked)).rpartition("=")[2]

    await linked.call("confirm_sign_up", client_id=linked.client_id, username="anna", confirmation_code=code)
    user = await linked.call("admin_get_user", user_pool_id=linked.pool_id, username="anna")

    assert user["user_status"] == "CONFIRMED"


# Forgotten passwords.


async def forget(house: House, browser: Browser, name: str) -> Response:
    page = await house.page(browser, "/forgotPassword")
    return await post(browser, page, {"username": name})


@pytest.fixture
async def reachable(house: House) -> House:
    """The demo user has a verified address."""
    verified = (
        AttributeType(name="email", value="demo@people.example"),
        AttributeType(name="email_verified", value="true"),
    )
    await house.call(
        "admin_update_user_attributes", user_pool_id=house.pool_id, username="demouser", user_attributes=verified
    )
    return house


async def test_a_forgotten_password_is_replaced_and_the_new_one_signs_in(reachable: House) -> None:
    browser = Browser(reachable.pages)
    asked = await forget(reachable, browser, "demouser")
    form = {"username": "demouser", "password": NEW_PASSWORD, "confirmPassword": NEW_PASSWORD}

    done = await post(browser, asked, {**form, "code": await reachable.last_code()})
    old = await reachable.sign_in(Browser(reachable.pages))
    new = await post(browser, done, {"username": "demouser", "password": NEW_PASSWORD})

    assert "d***@p***" in asked.text
    assert "Your new password is set." in done.text
    assert "Incorrect username or password." in old.text
    assert "code" in new.answer


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"code": "000000"}, "Invalid verification code provided", id="another code"),
        pytest.param({"confirmPassword": "x"}, "The two passwords are not the same.", id="two passwords"),
        pytest.param({"confirmPassword": ""}, "The two passwords are not the same.", id="only one"),
        pytest.param({"code": ""}, "Enter your username, the code and a new password.", id="no code"),
        pytest.param({"password": "weak", "confirmPassword": "weak"}, "Password not long enough", id="a weak one"),
    ],
)
async def test_a_reset_that_is_not_right_changes_nothing(reachable: House, change: dict[str, str], said: str) -> None:
    browser = Browser(reachable.pages)
    asked = await forget(reachable, browser, "demouser")
    form = {"username": "demouser", "code": await reachable.last_code()}
    form |= {"password": NEW_PASSWORD, "confirmPassword": NEW_PASSWORD}

    refused = await post(browser, asked, {**form, **change})
    old = await reachable.sign_in(Browser(reachable.pages))

    assert refused.status == 400
    assert said in refused.text
    assert "code" in old.answer


async def test_a_forgotten_password_of_nobody_looks_like_anybodys(reachable: House) -> None:
    """The page is the same to the letter but for the address, which is made up from the name and stays the same."""
    somebody = await forget(reachable, Browser(reachable.pages), "demouser")
    nobody = await forget(reachable, Browser(reachable.pages), "nobody00")
    again = await forget(reachable, Browser(reachable.pages), "nobody00")

    assert (somebody.status, nobody.status) == (200, 200)
    assert without_address(somebody, "demouser") == without_address(nobody, "nobody00")
    assert blanked(nobody, "nobody00") == blanked(again, "nobody00")
    assert len(await reachable.messages()) == 1


async def test_a_code_for_nobody_is_refused_like_a_wrong_one(reachable: House) -> None:
    somebody, nobody = Browser(reachable.pages), Browser(reachable.pages)
    form = {"code": "000000", "password": NEW_PASSWORD, "confirmPassword": NEW_PASSWORD}
    asked = [await forget(reachable, somebody, "demouser"), await forget(reachable, nobody, "nobody00")]

    wrong = await post(somebody, asked[0], {**form, "username": "demouser"})
    missing = await post(nobody, asked[1], {**form, "username": "nobody00"})

    assert (wrong.status, missing.status) == (400, 400)
    assert blanked(wrong, "demouser") == blanked(missing, "nobody00")


async def test_a_client_that_hides_nobody_says_that_there_is_nobody(reachable: House) -> None:
    await reachable.call(
        "update_user_pool_client",
        user_pool_id=reachable.pool_id,
        client_id=reachable.client_id,
        prevent_user_existence_errors="LEGACY",
        callback_urls=(CALLBACK,),
        allowed_o_auth_flows=("code",),
        allowed_o_auth_scopes=("openid", "email", "profile"),
        allowed_o_auth_flows_user_pool_client=True,
        supported_identity_providers=("COGNITO",),
    )

    refused = await forget(reachable, Browser(reachable.pages), "nobody00")

    assert refused.status == 400
    assert "Username/client id combination not found." in refused.text


async def test_a_password_that_an_administrator_has_reset_is_replaced_on_the_way(reachable: House) -> None:
    await reachable.call("admin_reset_user_password", user_pool_id=reachable.pool_id, username="demouser")
    browser = Browser(reachable.pages)
    code = await reachable.last_code()

    asked = await reachable.sign_in(browser)
    form = {"username": "demouser", "code": code, "password": NEW_PASSWORD, "confirmPassword": NEW_PASSWORD}
    done = await post(browser, asked, form)

    assert "Your password has to be replaced." in asked.text
    assert "Your new password is set." in done.text


async def test_a_client_with_a_secret_has_the_same_pages(reachable: House) -> None:
    client = await reachable.call(
        "create_user_pool_client",
        user_pool_id=reachable.pool_id,
        client_name="confidential",
        generate_secret=True,
        callback_urls=(CALLBACK,),
        allowed_o_auth_flows=("code",),
        allowed_o_auth_scopes=("openid", "email", "profile"),
        allowed_o_auth_flows_user_pool_client=True,
        supported_identity_providers=("COGNITO",),
    )
    made = client["user_pool_client"]
    reachable.client_id = str(made["client_id"] if isinstance(made, dict) else made.client_id)
    browser = Browser(reachable.pages)

    asked = await sign_up(reachable, browser)
    done = await confirm(reachable, browser, asked, await reachable.last_code())
    sent = await forget(reachable, Browser(reachable.pages), "anna")

    assert "code" in done.answer
    assert "a***@p***" in sent.text


def without_address(response: Response, name: str) -> str:
    page = blanked(response, name)
    before, _, rest = page.partition('<strong class="destination">')
    return before + rest.partition("</strong>")[2]

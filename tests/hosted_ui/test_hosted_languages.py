"""Every text of the pages exists in every language, and each reader gets the one that they asked for."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from jinja2 import Environment, nodes

from support.hosted_ui import Door, authorize_query
from velvetrope.edge.hosted.languages import ENGLISH, LANGUAGES, Language, choose_language, language_named

SOURCE = Path(__file__).parents[2] / "src" / "velvetrope"
HOSTED = SOURCE / "edge" / "hosted"
OTHERS = [language for language in LANGUAGES.values() if language is not ENGLISH]


def texts_of_templates() -> Iterator[str]:
    """The first argument of every `t(…)` in the templates."""
    environment = Environment(autoescape=True)
    for template in sorted((HOSTED / "templates").glob("*.html")):
        for call in environment.parse(template.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t":
                yield from (text.value for text in [call.args[0]] if isinstance(text, nodes.Const))
                if isinstance(call.args[0], nodes.CondExpr):
                    raise AssertionError(f"{template.name}: choose outside of t(), so that this test sees both texts")


MARKED = frozenset(
    {
        *("PAGE_ERROR_TEXT", "FORM_NOT_OURS", "_SAID", "_EXPLAINED", "_HINTS", "_NAME_LABELS", "_ATTRIBUTE_LABELS"),
        *("_NOT_CONFIRMED", "_RESET_REQUIRED", "_CANNOT_FINISH_HERE"),
    }
)
"""Names under which Python code keeps texts for pages: one text, or a table of them."""


def marked_texts() -> Iterator[str]:
    """What Python code hands to a page."""
    for path in [*HOSTED.rglob("*.py"), *(SOURCE / "hosted_ui").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in MARKED:
                yield from texts_in(node.value)


def texts_in(value: ast.expr) -> Iterator[str]:
    """A text; the texts of a table; the first of a tuple."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Dict(values=values):
            for one in values:
                yield from texts_in(one)
        case ast.Tuple(elts=[first, *_]):
            yield from texts_in(first)


SPEAKING_ROOMS = (
    *("accounts/sign_up", "accounts/recovery", "users/naming", "users/standing", "factors/sent_passwords"),
    *("messages/sent_codes", "messages/confirmation_links", "messages/call_limits", "passwords/changes"),
    *("passwords/back_off", "triggers/sign_up"),
)
"""The rooms of the user pools whose refusals a person at an account page can see, whole."""


def refusals() -> Iterator[str]:
    """What those rooms and our own flows say; a value in a sentence is an X."""
    files = [SOURCE / "userpools" / f"{room}.py" for room in SPEAKING_ROOMS]
    for path in [*files, *(SOURCE / "hosted_ui").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            if node.func.id.endswith(("Exception", "AccountRefused", "SignInRefused", "_nonconforming")):
                match node.args[0]:
                    case ast.Constant(value=str(text)):
                        yield text
                    case ast.JoinedStr(values=pieces):
                        yield "".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in pieces)


@pytest.mark.parametrize("language", OTHERS, ids=lambda one: one.code)
def test_every_refusal_that_a_page_shows_is_said_in_every_language(language: Language) -> None:
    said = {*refusals()}

    assert len(said) > 25
    assert [text for text in said if language.say(text) == ENGLISH.say(text)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("An account with the given email already exists.", "Mit dieser Angabe (E-Mail-Adresse) gibt es schon"),
        (
            "name: The attribute is required\nemail: The attribute is required",
            "Name: Diese Angabe fehlt\nE-Mail-Adresse",
        ),
        ("Attributes did not conform to the schema: custom:tier: Value must be a number", "custom:tier: eine Zahl"),
        ("Attributes did not conform to the schema: email: The attribute is required", "passen nicht: E-Mail-Adresse"),
        ("Password did not conform with policy: Password not long enough", "zu kurz"),
        (
            (
                "1 validation error detected: Value at 'username' failed to satisfy constraint: "
                "Member must have length less than or equal to 128"
            ),
            "geht so nicht: Er darf höchstens 128 Zeichen haben.",
        ),
        (
            (
                "1 validation error detected: Value at 'username' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+"
            ),
            "geht so nicht: Leerzeichen und unsichtbare Zeichen",
        ),
    ],
)
def test_the_values_in_a_refusal_are_said_too(text: str, said: str) -> None:
    assert said in LANGUAGES["de"].say(text)


def test_what_apis_tell_developers_of_a_username_is_told_to_people_otherwise() -> None:
    constraint = r"Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+"
    text = f"1 validation error detected: Value at 'username' failed to satisfy constraint: {constraint}"

    said = "This username cannot be used: spaces and invisible characters are not allowed."
    assert ENGLISH.say(text) == said


def test_every_text_has_an_entry_in_every_language() -> None:
    texts = {*texts_of_templates(), *marked_texts()}

    missing = {(language.code, text) for language in OTHERS for text in texts if text not in language.texts}

    assert len(texts) > 15
    assert missing == set()


@pytest.mark.parametrize("language", OTHERS, ids=lambda one: one.code)
def test_a_translation_has_the_places_of_its_text_and_no_others(language: Language) -> None:
    file = HOSTED / "translations" / f"{language.code}.json"

    for text, said in json.loads(file.read_text()).items():
        assert places(said) == places(text), text
        assert said.strip(), text


def places(text: str) -> set[str]:
    # In small letters, as the pages' own: the `{L}` of a regular expression's `\p{L}` is none.
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None and name.islower()}


def test_the_languages_have_the_same_entries() -> None:
    first, *rest = OTHERS

    assert all(language.texts.keys() == first.texts.keys() for language in rest)


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "spoken"),
    [
        pytest.param("de", "es", "en", "de", id="the link is heard first"),
        pytest.param(None, "es", "de", "es", id="then the cookie"),
        pytest.param(None, None, "fr-CA, de-AT;q=0.8, en;q=0.5", "de", id="then the browser, by weight"),
        pytest.param(None, None, "de;q=0, es;q=0.1", "es", id="a weight of zero is a no"),
        pytest.param(None, None, "*", "en", id="anything is English"),
        pytest.param("ja", "de", None, "de", id="a language of AWS's that we lack leaves it to the next wish"),
        pytest.param("zh-CN", None, "es-MX", "es", id="and to the browser"),
        pytest.param("klingon", None, None, "en", id="an unknown one is nobody's"),
        pytest.param("../../etc/passwd", "<b>", ";;;q=x,,", "en", id="garbage is nobody's"),
        pytest.param("DE_de", None, None, "de", id="tags are read without regard to case"),
    ],
)
def test_the_first_wish_that_can_be_met_counts(
    asked: str | None, kept: str | None, accepted: str | None, spoken: str
) -> None:
    assert choose_language(asked=asked, kept=kept, accepted=accepted).code == spoken


@pytest.mark.parametrize("code", ["de", "en", "es", "fr", "id", "it", "ja", "ko", "pt-BR", "zh-CN", "zh-TW"])
def test_a_code_of_managed_login_is_never_an_error(code: str) -> None:
    assert choose_language(asked=code, kept=None, accepted=None) in LANGUAGES.values()


def test_values_are_escaped_and_markup_is_not() -> None:
    said = LANGUAGES["de"].say("to go on to {destination}", destination="<script>")

    assert said == "und weiter zu &lt;script&gt;"


def test_a_sentence_of_a_pools_function_is_said_as_it_is() -> None:
    assert LANGUAGES["de"].say("PreSignUp failed: <no> {thanks}") == "PreSignUp failed: &lt;no&gt; {thanks}"


def test_a_tag_of_another_language_names_none() -> None:
    assert language_named("fr") is None
    assert language_named(None) is None


async def test_the_page_says_its_language_and_keeps_it(tmp_path: Path) -> None:
    door = await Door.open(tmp_path)
    browser = door.browser()

    german = await browser.get(f"/login?{authorize_query(lang='de')}")
    later = await browser.get(f"/login?{authorize_query()}", headers={"accept-language": "es"})
    spanish = await door.browser().get(f"/login?{authorize_query()}", headers={"accept-language": "es"})
    await door.database.close()

    assert '<html lang="de">' in german.text
    assert german.header("content-language") == "de"
    assert "<h1>Anmelden</h1>" in german.text
    assert "<h1>Anmelden</h1>" in later.text
    assert "<h1>Iniciar sesión</h1>" in spanish.text
    assert 'hreflang="en"' in spanish.text


async def test_the_language_goes_with_the_request_to_the_sign_in_page(tmp_path: Path) -> None:
    door = await Door.open(tmp_path)
    browser = door.browser()

    page = await browser.get((await browser.get(f"/oauth2/authorize?{authorize_query(lang='de')}")).location)
    await door.database.close()

    assert page.header("content-language") == "de"


async def test_an_error_is_told_in_the_readers_language_and_links_nowhere(tmp_path: Path) -> None:
    door = await Door.open(tmp_path)

    response = await door.browser().get("/error?error=redirect_mismatch&lang=de")
    await door.database.close()

    assert response.header("content-language") == "de"
    assert LANGUAGES["de"].texts["Something went wrong"] in response.text
    assert "hreflang" not in response.text

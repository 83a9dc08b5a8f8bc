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


def marked_texts() -> Iterator[str]:
    """What Python code hands to a page: values of constants and calls that say so by their names."""
    for path in [*HOSTED.rglob("*.py"), *(SOURCE / "hosted_ui").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Assign(
                    targets=[ast.Name(id="PAGE_ERROR_TEXT" | "FORM_NOT_OURS")], value=ast.Constant(value=str(text))
                ):
                    yield text
                case ast.Assign(targets=[ast.Name(id="_SAID")], value=ast.Dict(values=values)):
                    yield from (
                        one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)
                    )
                case ast.AnnAssign(target=ast.Name(id="_SAID" | "_EXPLAINED"), value=ast.Dict(values=values)):
                    yield from (
                        one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)
                    )


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
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


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

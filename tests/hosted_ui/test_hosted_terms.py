"""What an app has its people read, on the sign-up page: in their language, both documents or none."""

import re

import pytest

from support.hosted_house import House
from support.hosted_ui import Response

TERMS = {
    "cognito:default": "https://example.com/terms",
    "cognito:german": "https://example.com/de/terms?a=1&b=2",
}
PRIVACY = {"cognito:default": "https://example.com/privacy", "cognito:german": "https://example.com/de/privacy"}


async def document(house: House, name: str, links: dict[str, str]) -> None:
    await house.call(
        "create_terms",
        user_pool_id=house.pool_id,
        client_id=house.client_id,
        terms_name=name,
        terms_source="LINK",
        enforcement="NONE",
        links=links,
    )


async def managed_login(house: House) -> None:
    await house.call(
        "update_user_pool_domain", domain="auth-api-demo", user_pool_id=house.pool_id, managed_login_version=2
    )


async def sign_up_page(house: House, language: str | None = None) -> Response:
    return await house.page(house.browser(), "/signup", lang=language)


def outside(page: Response) -> list[str]:
    return re.findall(r'<a [^>]*href="(https://example[^"]+)" target="_blank" rel="noopener noreferrer">', page.text)


async def test_the_sign_up_page_links_to_both_documents(house: House) -> None:
    await managed_login(house)
    await document(house, "terms-of-use", TERMS)
    await document(house, "privacy-policy", PRIVACY)

    page = await sign_up_page(house)

    assert outside(page) == ["https://example.com/terms", "https://example.com/privacy"]
    assert "By creating an account you agree to the <a" in page.text
    assert page.status == 200


async def test_a_reader_gets_the_documents_of_the_pages_language(house: House) -> None:
    await managed_login(house)
    await document(house, "terms-of-use", TERMS)
    await document(house, "privacy-policy", PRIVACY)

    german = await sign_up_page(house, "de")
    spanish = await sign_up_page(house, "es")

    assert outside(german) == ["https://example.com/de/terms?a=1&amp;b=2", "https://example.com/de/privacy"]
    assert "Nutzungsbedingungen</a>" in german.text
    assert outside(spanish) == ["https://example.com/terms", "https://example.com/privacy"]


async def test_a_reader_without_a_link_in_their_language_is_shown_neither(house: House) -> None:
    await managed_login(house)
    await document(house, "terms-of-use", TERMS)
    await document(house, "privacy-policy", {"cognito:german": "https://example.com/de/privacy"})

    assert outside(await sign_up_page(house)) == []
    assert len(outside(await sign_up_page(house, "de"))) == 2


@pytest.mark.parametrize("name", ["terms-of-use", "privacy-policy"])
async def test_one_document_alone_is_not_shown(house: House, name: str) -> None:
    await managed_login(house)
    await document(house, name, TERMS)

    assert outside(await sign_up_page(house)) == []


async def test_classic_pages_show_none(house: House) -> None:
    await document(house, "terms-of-use", TERMS)
    await document(house, "privacy-policy", PRIVACY)

    assert outside(await sign_up_page(house)) == []


async def test_another_client_of_the_pool_shows_its_own(house: House) -> None:
    await managed_login(house)
    await document(house, "terms-of-use", TERMS)
    await document(house, "privacy-policy", PRIVACY)
    house.client_id = await house.add_client()

    assert outside(await sign_up_page(house)) == []

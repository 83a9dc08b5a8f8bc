"""Leaving for a provider and coming back: what is bound to the browser, and what is kept."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from support.hosted_ui import EPOCH, make_pool
from velvetrope.clock import CountingEntropy
from velvetrope.hosted_ui.federated_sign_ins import FEDERATED_SIGN_IN_LIFETIME, FederatedSignIns, NotOurSignIn
from velvetrope.secret import Secret
from velvetrope.store import Database
from velvetrope.store.tables.hosted_ui_federation import FederatedSignInStore
from velvetrope.store.tables.userpools_configuration import IdentityProvider

POOL = make_pool()
PROVIDER = IdentityProvider(
    user_pool_id=POOL.id, provider_name="Google", provider_type="Google", created_at=EPOCH, modified_at=EPOCH
)
QUERY = "client_id=1example&state=theirs"


@pytest.fixture
def sign_ins(database: Database) -> FederatedSignIns:
    return FederatedSignIns(FederatedSignInStore(database), CountingEntropy())


async def test_who_comes_back_finds_what_was_asked_and_what_was_told_the_provider(sign_ins: FederatedSignIns) -> None:
    departure = await sign_ins.begin(POOL, PROVIDER, QUERY, request_id="_1", now=EPOCH)

    returned = await sign_ins.take(POOL, departure.state, departure.browser, now=EPOCH)

    assert (returned.sign_in.query, returned.sign_in.provider_name) == (QUERY, "Google")
    assert (returned.sign_in.provider_created_at, returned.sign_in.request_id) == (EPOCH, "_1")
    assert (returned.nonce, returned.code_verifier) == (departure.nonce, departure.code_verifier)


async def test_a_sign_in_is_taken_once(sign_ins: FederatedSignIns) -> None:
    departure = await sign_ins.begin(POOL, PROVIDER, QUERY, now=EPOCH)
    await sign_ins.take(POOL, departure.state, departure.browser, now=EPOCH)

    with pytest.raises(NotOurSignIn):
        await sign_ins.take(POOL, departure.state, departure.browser, now=EPOCH)


async def test_a_sign_in_waits_five_minutes(sign_ins: FederatedSignIns) -> None:
    first = await sign_ins.begin(POOL, PROVIDER, QUERY, now=EPOCH)
    second = await sign_ins.begin(POOL, PROVIDER, QUERY, now=EPOCH)
    end = EPOCH + FEDERATED_SIGN_IN_LIFETIME

    await sign_ins.take(POOL, first.state, first.browser, now=end - timedelta(seconds=1))
    with pytest.raises(NotOurSignIn):
        await sign_ins.take(POOL, second.state, second.browser, now=end)


async def test_the_state_of_another_browser_opens_nothing(sign_ins: FederatedSignIns) -> None:
    theirs = await sign_ins.begin(POOL, PROVIDER, QUERY, now=EPOCH)
    ours = await sign_ins.begin(POOL, PROVIDER, QUERY, now=EPOCH)

    for browser in (ours.browser, Secret(""), None):
        with pytest.raises(NotOurSignIn):
            await sign_ins.take(POOL, theirs.state, browser, now=EPOCH)
    await sign_ins.take(POOL, theirs.state, theirs.browser, now=EPOCH)


async def test_another_pool_takes_nothing(sign_ins: FederatedSignIns) -> None:
    departure = await sign_ins.begin(POOL, PROVIDER, QUERY, now=EPOCH)

    with pytest.raises(NotOurSignIn):
        await sign_ins.take(make_pool(id="us-west-2_Other1234"), departure.state, departure.browser, now=EPOCH)


async def test_nothing_that_is_kept_leads_to_what_is_secret(sign_ins: FederatedSignIns, database: Database) -> None:
    departure = await sign_ins.begin(POOL, PROVIDER, QUERY, now=EPOCH)

    async with database.read() as connection:
        rows = (await connection.execute(text("SELECT * FROM hosted_ui_federated_sign_ins"))).all()

    kept = repr(rows)
    assert len(rows) == 1
    for secret in (departure.state, departure.browser.reveal(), departure.nonce, departure.code_verifier.reveal()):
        assert secret not in kept
    assert departure.code_verifier.reveal() not in {departure.state, departure.nonce}
    assert len(departure.code_verifier.reveal()) == 43

"""Ways to try a name, and the work that each takes."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from support.userpools import World, srp_client
from velvetrope.userpools.workers import Workers

__all__ = ["FLOWS", "SIGN_UP_WAYS", "WAYS", "work_done"]

FLOWS = ("ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")


@contextmanager
def work_done(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Statements by their text, and pieces of arithmetic, by whether threads or the event loop do them."""
    done: Counter[str] = Counter()

    def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        done[statement] += 1

    run, brief = Workers.run, Workers.brief

    async def counted(self: Workers, work: Callable[[], Any]) -> Any:
        done["arithmetic"] += 1
        return await run(self, work)

    async def counted_here(self: Workers, work: Callable[[], Any]) -> Any:
        done["arithmetic on the loop"] += 1
        return await brief(self, work)

    engine = world.database._engine
    event.listen(engine, "before_cursor_execute", before)
    with monkeypatch.context() as patched:
        patched.setattr(Workers, "run", counted)
        patched.setattr(Workers, "brief", counted_here)
        yield done
    event.remove(engine, "before_cursor_execute", before)


async def password(world: World, pool_id: str, client_id: str, username: str) -> None:
    await world.sign_in(client_id, username=username, password="wrong")


async def srp(world: World, pool_id: str, client_id: str, username: str) -> None:
    await world.srp_sign_in(pool_id, client_id, username=username, password="wrong")


async def choice(world: World, pool_id: str, client_id: str, username: str) -> None:
    await world.initiate_auth(auth_flow="USER_AUTH", client_id=client_id, auth_parameters={"USERNAME": username})


async def chosen_password(world: World, pool_id: str, client_id: str, username: str) -> None:
    given = {"USERNAME": username, "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": "wrong"}
    await world.initiate_auth(auth_flow="USER_AUTH", client_id=client_id, auth_parameters=given)


async def code(world: World, pool_id: str, client_id: str, username: str) -> None:
    given = {"USERNAME": username, "PREFERRED_CHALLENGE": "EMAIL_OTP"}
    asked = await world.initiate_auth(auth_flow="USER_AUTH", client_id=client_id, auth_parameters=given)
    await world.respond(client_id, asked, {"USERNAME": username, "EMAIL_OTP_CODE": "wrong"})


async def srp_half(world: World, pool_id: str, client_id: str, username: str) -> None:
    parameters = srp_client(pool_id, client_id, username).get_auth_params()
    await world.initiate_auth(auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=parameters)


async def wrong_recovery_code(world: World, pool_id: str, client_id: str, username: str) -> None:
    await world.confirm_forgot_password(
        client_id=client_id, username=username, confirmation_code="000000", password="Another-horse-1"
    )


async def recovery(world: World, pool_id: str, client_id: str, username: str) -> None:
    await world.forgot_password(client_id=client_id, username=username)
    await wrong_recovery_code(world, pool_id, client_id, username)


async def resend(world: World, pool_id: str, client_id: str, username: str) -> None:
    await world.resend_confirmation_code(client_id=client_id, username=username)


async def wrong_sign_up_code(world: World, pool_id: str, client_id: str, username: str) -> None:
    await world.confirm_sign_up(client_id=client_id, username=username, confirmation_code="000000")


SIGN_UP_WAYS: Mapping[str, Callable[[World, str, str, str], Awaitable[None]]] = {
    way.__name__: way for way in (resend, wrong_sign_up_code)
}
"""Who may sign up learns which names are taken by trying, so that these may say so; where nobody may, they do not."""


WAYS: Mapping[str, Callable[[World, str, str, str], Awaitable[None]]] = {
    way.__name__: way for way in (password, srp_half, srp, choice, chosen_password, code, wrong_recovery_code, recovery)
}

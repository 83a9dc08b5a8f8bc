"""Who is the client at the token and revoke endpoints: one answer for both, each with its own status for "no".

An unknown client and a wrong secret are the same refusal; only a missing secret has AWS's description.
"""

from velvetrope.hosted_ui.directory import UserDirectory, client_rules, find_client
from velvetrope.oauth import (
    ClientDoesNotExist,
    InvalidClient,
    Parameters,
    check_presented_client,
    parse_presented_client,
)
from velvetrope.store.tables.userpools import AppClient, UserPool

__all__ = ["authenticate_client"]


async def authenticate_client(
    directory: UserDirectory, pool: UserPool, parameters: Parameters, authorization: str | None
) -> AppClient:
    """The app client, proven by its secret if it has one.

    Raises:
        InvalidClient: unknown, or the secret is missing, wrong or uncalled for.
        InvalidRequest: two ways of authentication at once.
    """
    presented = parse_presented_client(authorization, parameters)
    try:
        client = await find_client(directory, pool, presented.client_id)
    except ClientDoesNotExist:
        raise InvalidClient(detail="the client does not exist in this pool") from None
    rules = client_rules(client)
    check_presented_client(presented, rules)
    if presented.secret is not None and not directory.client_secret_matches(client, presented.secret.reveal()):
        raise InvalidClient(detail="the client secret is wrong")
    return client

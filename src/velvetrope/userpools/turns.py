"""One turn of a sign-in: a call of InitiateAuth or RespondToAuthChallenge, and what it may lead to.

Whoever checks an answer returns a `SignIn` that has come further; `sign_in.next_step` says what that leads to. So no
check decides what follows it, and what follows is decided in one place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from velvetrope.store.tables.userpools import AppClient, StoredUser, UserPool
from velvetrope.userpools.challenges import SignIn
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException, NotAuthorizedException
from velvetrope.userpools.passwords.vault import fingerprint_of
from velvetrope.userpools.triggers.invocations import Occasion

__all__ = [
    "Answered",
    "NextChallenge",
    "Passed",
    "Turn",
    "check_stands",
    "check_username",
    "required",
]


class Turn(msgspec.Struct, frozen=True):
    """Who asks whom, and when."""

    pool: UserPool
    client: AppClient
    admin: bool
    now: datetime
    client_metadata: Mapping[str, str] | None = None
    source_ip: str = ""

    def __repr__(self) -> str:
        return f"Turn({self.pool.id}, {self.client.client_id} at {self.now})"

    def occasion(self, username: str, *, with_metadata: bool = True) -> Occasion:
        """This turn as triggers are told of it."""
        return Occasion(
            pool=self.pool,
            username=username,
            now=self.now,
            client_id=self.client.client_id,
            client_metadata=self.client_metadata if with_metadata else None,
        )


class Answered(msgspec.Struct, frozen=True):
    """A sign-in that has come further, and the user if there is one and they were looked up already."""

    sign_in: SignIn
    stored: StoredUser | None = None


class NextChallenge(msgspec.Struct, frozen=True):
    """What the client has to answer next."""

    name: str
    parameters: Mapping[str, str]
    session: str | None = None
    available: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"NextChallenge({self.name})"

    def rendered(self) -> dict[str, object]:
        """As InitiateAuth and RespondToAuthChallenge answer it."""
        return {
            "challenge_name": self.name,
            "session": self.session,
            "challenge_parameters": self.parameters,
            "available_challenges": self.available,
        }


@dataclass(frozen=True, slots=True)
class Passed:
    """Everything that was asked for has been shown."""

    sign_in: SignIn
    stored: StoredUser
    device_key: str | None
    """The device that proved itself."""


def required(parameters: Mapping[str, str], name: str) -> str:
    """
    Raises:
        InvalidParameterException: it is missing or empty.
    """
    value = parameters.get(name)
    if not value:
        raise InvalidParameterException(f"Missing required parameter {name}")
    return value


def check_username(turn: Turn, sign_in: SignIn, responses: Mapping[str, str], directory: PoolDirectory) -> None:
    """USERNAME is the one the sign-in is about, and SECRET_HASH belongs to it.

    Raises:
        InvalidParameterException: there is no USERNAME.
        NotAuthorizedException: the hash is missing or wrong, or the sign-in is another user's.
    """
    username = required(responses, "USERNAME")
    directory.check_secret_hash(turn.client, responses.get("SECRET_HASH"), [username])
    if username not in {sign_in.username, sign_in.user_id, sign_in.sub}:
        raise NotAuthorizedException("Invalid session for the user.", detail="the session is another user's")


def check_stands(sign_in: SignIn, stored: StoredUser) -> None:
    """Whether a sign-in may go on, after what has become of its user.

    The password that it has shown is still theirs: who changes it wants no such sign-in. One that has shown none does
    not depend on it. And nobody has signed them out everywhere: what was begun before ends then, as tokens do. (Both
    UNVERIFIED on AWS, and the safer reading; decision 0034 for proofs.)

    Raises:
        NotAuthorizedException: it does not stand.
    """
    if sign_in.password and sign_in.password != fingerprint_of(stored.password_sealed):
        raise NotAuthorizedException("Invalid session for the user.", detail="the password was changed meanwhile")
    if stored.user.enabled and stored.user.has_signed_out_since(sign_in.begun_at):  # who was disabled is told that
        raise NotAuthorizedException("Invalid session for the user.", detail="the user was signed out meanwhile")

"""How a sign-in ends: its tokens, and a name for the device that it came from.

Usually several parties may have a say after the last answer (`next_step`, the triggers), and everything is done in its
turn: `Endings.end`. Where an answer is the only thing that was to be shown and no function has a say, the family of
tokens is kept in the transaction that counts the answer, and the tokens are signed in the same visit to a worker
(`EndingAtOnce`): one wait for the disk, and one way there and back. Both issue the same.

Source: user-pools reference sections 2 and 8.
"""

from collections.abc import Callable

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.userpools import StoredUser, UserPool
from velvetrope.store.tables.userpools_sign_in import NewFamily
from velvetrope.userpools.challenges import SignIn
from velvetrope.userpools.factors.devices import group_key_of, new_device_key
from velvetrope.userpools.sign_in.next_step import NextStep
from velvetrope.userpools.sign_in.triggers import SignInTriggers
from velvetrope.userpools.tokens.issuing import SELF_SERVICE_SCOPE, IssuedTokens, TokenDraft, TokenIssuer, TokensAsked
from velvetrope.userpools.turns import Passed, Turn

__all__ = ["EndingAtOnce", "Endings", "authentication_result", "described_tokens"]

_SCOPES = (SELF_SERVICE_SCOPE,)
_Draft = Callable[[StoredUser, str | None], TokenDraft]


class Endings:
    """Issues the tokens of who has shown everything that was asked for."""

    def __init__(
        self, *, issuer: TokenIssuer, triggers: SignInTriggers, master_keys: MasterKeys, entropy: Entropy
    ) -> None:
        self._issuer = issuer
        self._triggers = triggers
        self._master_keys = master_keys
        self._entropy = entropy

    async def end(self, turn: Turn, passed: Passed) -> dict[str, object]:
        """The answer with the tokens.

        Raises:
            UserLambdaValidationException and its siblings: a trigger refused.
        """
        sign_in, user = passed.sign_in, passed.stored.user
        new_device = self.new_device(turn.pool, sign_in)
        await self._triggers.post_authentication(turn, sign_in.user_id, user, new_device_used=new_device is not None)
        issued = await self._issuer.start_family(
            turn.pool,
            turn.client,
            user,
            TokensAsked(
                scopes=_SCOPES,
                authenticated_at=turn.now,
                hosted=False,
                device_key=passed.device_key or new_device,
            ),
            now=turn.now,
            trigger_source=_token_source(sign_in),
            client_metadata=turn.client_metadata,
            groups=passed.stored.groups,
        )
        return self.answer(turn.pool, issued, new_device)

    async def at_once(self, turn: Turn) -> "EndingAtOnce | None":
        """How an answer of this turn may end its sign-in; None where a function has a say in it."""
        if not self._triggers.is_silent_after(turn):
            return None
        draft = await self._issuer.drafter(turn.pool, turn.client, scopes=_SCOPES, now=turn.now)
        return None if draft is None else EndingAtOnce(self, turn, draft)

    def new_device(self, pool: UserPool, sign_in: SignIn) -> str | None:
        """The key of a device that was not known before, in pools that remember devices."""
        if pool.device_configuration is None or sign_in.device_key is not None:
            return None
        return new_device_key(pool, self._entropy)

    def answer(self, pool: UserPool, issued: IssuedTokens, new_device: str | None) -> dict[str, object]:
        """The answer with these tokens."""
        if new_device is None:
            return described_tokens(issued)
        group_key = group_key_of(self._master_keys, pool, new_device)
        metadata = {"device_key": new_device, "device_group_key": group_key}
        return described_tokens(issued, new_device_metadata=metadata)


class EndingAtOnce:
    """The end of a sign-in with the answer that is being settled (`password_proofs.Ending`)."""

    def __init__(self, endings: Endings, turn: Turn, draft: _Draft) -> None:
        self._endings = endings
        self._turn = turn
        self._draft = draft
        self._drafted: TokenDraft | None = None
        self._new_device: str | None = None
        self.answer: dict[str, object] | None = None
        """The answer with the tokens; None where the sign-in goes on."""

    def begins(self, sign_in: SignIn, stored: StoredUser) -> NewFamily | None:
        """The family of the tokens, where nothing else is to be shown."""
        if not NextStep.has_passed(self._turn, sign_in, stored):
            return None
        self._new_device = self._endings.new_device(self._turn.pool, sign_in)
        self._drafted = self._draft(stored, self._new_device)
        return self._drafted.new

    def kept(self) -> None:
        """Sign the tokens, now that their family is in the store."""
        if self._drafted is not None:
            self.answer = self._endings.answer(self._turn.pool, self._drafted.sign(), self._new_device)


def described_tokens(issued: IssuedTokens, *, new_device_metadata: dict[str, str] | None = None) -> dict[str, object]:
    """As InitiateAuth and RespondToAuthChallenge answer tokens."""
    result = {**authentication_result(issued), "new_device_metadata": new_device_metadata}
    return {"challenge_parameters": {}, "authentication_result": result}


def authentication_result(issued: IssuedTokens) -> dict[str, object]:
    """AuthenticationResultType."""
    return {
        "access_token": issued.access_token,
        "expires_in": issued.expires_in_seconds,
        "token_type": "Bearer",
        "refresh_token": issued.refresh_token,
        "id_token": issued.id_token,
    }


def _token_source(sign_in: SignIn) -> str:
    """The trigger source of the tokens of a sign-in (user-pools reference section 8)."""
    if "NEW_PASSWORD_REQUIRED" in sign_in.proven:
        return "TokenGeneration_NewPasswordChallenge"
    if "DEVICE_PASSWORD_VERIFIER" in sign_in.proven:
        return "TokenGeneration_AuthenticateDevice"
    return "TokenGeneration_Authentication"

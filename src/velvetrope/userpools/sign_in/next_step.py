"""What an answer leads to: the order of a sign-in, in one place.

    1. custom challenges, in the flow that has them, until their trigger says that tokens may be issued
    2. whether the sign-in stands (`turns.check_stands`), and the user's state: disabled, unconfirmed, to be reset, a
       temporary password that is too old
    3. a new password, for a temporary one
    4. the device that the client named
    5. the second factor, unless a remembered device or a passkey stands for it
    6. tokens

Every flow comes by here with every answer, so that none of them can leave a step out. What was shown before is in the
sealed `SignIn` and nowhere else.

Source: user-pools reference section 2, "Next-challenge order after a good password".
"""

from velvetrope.store.tables.userpools import StoredUser, UserPoolStore
from velvetrope.userpools.challenges import SignIn
from velvetrope.userpools.errors import InvalidLambdaResponseException, UserPoolError, wrong_credentials
from velvetrope.userpools.factors.devices import DeviceProofs
from velvetrope.userpools.factors.password_proofs import PasswordProofs
from velvetrope.userpools.factors.second_factors import SecondFactors, is_second_factor_owed
from velvetrope.userpools.sign_in.custom_challenges import CustomChallenges
from velvetrope.userpools.sign_in.new_passwords import NewPasswords
from velvetrope.userpools.turns import Answered, NextChallenge, Passed, Turn, check_stands
from velvetrope.userpools.users.standing import check_may_sign_in

__all__ = ["NextStep"]


class NextStep:
    """Decides what comes after an answer."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        custom: CustomChallenges,
        new_passwords: NewPasswords,
        devices: DeviceProofs,
        second_factors: SecondFactors,
        proofs: PasswordProofs,
    ) -> None:
        self._store = store
        self._custom = custom
        self._new_passwords = new_passwords
        self._devices = devices
        self._second_factors = second_factors
        self._proofs = proofs

    async def after(self, turn: Turn, answered: Answered, *, srp_a: str | None = None) -> NextChallenge | Passed:
        """The next challenge, or everything has been shown. `srp_a` is what a custom sign-in began with.

        Raises:
            NotAuthorizedException: nobody has the name, or they may not sign in.
            UserNotConfirmedException, PasswordResetRequiredException: of the user's state.
            UserLambdaValidationException and its siblings: of the triggers.
        """
        sign_in, stored = answered.sign_in, answered.stored
        if stored is None:
            stored = await self._find(turn, sign_in)
        if sign_in.flow == "CUSTOM_AUTH" and not sign_in.custom_done:
            decided = await self._custom.next(turn, sign_in, stored)
            if isinstance(decided, NextChallenge):
                return decided
            if decided is None:
                return await self._prove_password(turn, sign_in, stored, srp_a)
            sign_in = decided
        if stored is None:
            raise wrong_credentials("nobody has the name, or somebody else by now")
        check_stands(sign_in, stored)
        check_may_sign_in(stored.user, now=turn.now)
        if stored.user.status == "FORCE_CHANGE_PASSWORD":
            return self._new_passwords.ask(turn, sign_in, stored)
        asked = await self._devices.next(turn, sign_in, stored) or await self._second_factors.next(
            turn, sign_in, stored
        )
        if asked is not None:
            return asked
        proved = "DEVICE_PASSWORD_VERIFIER" in sign_in.proven
        return Passed(sign_in, stored, sign_in.device_key if proved else None)

    @staticmethod
    def has_passed(turn: Turn, sign_in: SignIn, stored: StoredUser) -> bool:
        """Whether `after` says `Passed` of an answer, and needs to ask nobody for that.

        No says nothing: `after` does.
        """
        if (
            sign_in.flow == "CUSTOM_AUTH"
            or sign_in.device_key is not None
            or stored.user.status != "CONFIRMED"
            or stored.user.has_signed_out_since(sign_in.begun_at)
            or is_second_factor_owed(turn.pool, sign_in, stored.user)
        ):
            return False
        try:
            check_may_sign_in(stored.user, now=turn.now)
        except UserPoolError:
            return False
        return True

    async def _prove_password(
        self, turn: Turn, sign_in: SignIn, stored: StoredUser | None, srp_a: str | None
    ) -> NextChallenge:
        if srp_a is None:
            raise InvalidLambdaResponseException(
                "Unrecognizable lambda output", detail="PASSWORD_VERIFIER was named, and the client sent no SRP_A"
            )
        return await self._proofs.ask(turn, sign_in, stored, srp_a)

    async def _find(self, turn: Turn, sign_in: SignIn) -> StoredUser | None:
        found = await self._store.load_user(turn.pool.id, sign_in.username_key)
        return found if found is not None and found.user.sub == sign_in.sub else None

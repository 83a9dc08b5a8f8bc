"""Remembered devices during a sign-in: a new device's names, and the proof of one that is known.

A pool with a DeviceConfiguration gives every sign-in without a known device a device key and a group key
(NewDeviceMetadata). The client makes a secret for them and sends its SRP verifier (ConfirmDevice); from then on it
names its device at sign-in, and after the first factor the device proves itself by the same SRP exchange that proves
passwords (DEVICE_SRP_AUTH, DEVICE_PASSWORD_VERIFIER). A *remembered* device stands for the second factor where the
pool's ChallengeRequiredOnNewDevice says so; one that is only confirmed does not.

The administrators' operations know no device proof (user-pools reference section 7): a device that is named there is
looked up and otherwise has no effect.

Keys are not kept before they are confirmed. The group key is derived from the device key, so that it can be told again.

Source: Cognito Developer Guide, "Working with user devices in your user pool"; user-pools reference sections 3 and 7;
botocore's cognito-idp model, DeviceConfigurationType.
"""

import hmac
from collections.abc import Mapping

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.userpools import StoredUser, UserPool
from velvetrope.store.tables.userpools_factors import Device, FactorStore
from velvetrope.userpools.challenges import ChallengeSealer, DeviceAsked, SecretBlock, SignIn
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import NotAuthorizedException, wrong_credentials
from velvetrope.userpools.factors.password_proofs import SignedNames, SrpExchange, device_missing
from velvetrope.userpools.factors.second_factors import DEVICE_FOR_MFA
from velvetrope.userpools.passwords.vault import SrpVerifier, fingerprint_of
from velvetrope.userpools.turns import Answered, NextChallenge, Turn, check_username, required

__all__ = ["DeviceProofs", "group_key_of", "new_device_key", "seal_device_verifier"]

_GROUP_KEY = "userpools.device-group"
_VERIFIER = "userpools.device-verifier"
_GROUP_KEY_CHARACTERS = 9


class DeviceProofs:
    """Asks named devices to prove themselves."""

    def __init__(
        self,
        *,
        factors: FactorStore,
        challenges: ChallengeSealer,
        exchange: SrpExchange,
        directory: PoolDirectory,
        master_keys: MasterKeys,
    ) -> None:
        self._factors = factors
        self._challenges = challenges
        self._exchange = exchange
        self._directory = directory
        self._master_keys = master_keys

    async def next(self, turn: Turn, sign_in: SignIn, stored: StoredUser) -> NextChallenge | None:
        """DEVICE_SRP_AUTH, if the client has named a device that has not proven itself yet.

        Raises:
            ResourceNotFoundException: the user has not confirmed such a device.
        """
        if sign_in.device_key is None:
            return None
        if await self._factors.load_device(turn.pool.id, stored.username_key, sign_in.device_key) is None:
            raise device_missing()
        if turn.admin or turn.pool.device_configuration is None or "DEVICE_PASSWORD_VERIFIER" in sign_in.proven:
            return None
        session = self._challenges.new_session(sign_in, DeviceAsked(), pool=turn.pool, client=turn.client, now=turn.now)
        parameters = {"USERNAME": sign_in.user_id, "DEVICE_KEY": sign_in.device_key}
        return NextChallenge("DEVICE_SRP_AUTH", parameters, session)

    async def answer_first_half(
        self, turn: Turn, session_text: str | None, responses: Mapping[str, str]
    ) -> NextChallenge:
        """The challenge to a device's SRP_A.

        Raises:
            NotAuthorizedException: the session does not stand, or the device is another one.
        """
        session, _ = self._challenges.open_session(
            session_text, DeviceAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        sign_in = session.sign_in
        check_username(turn, sign_in, responses, self._directory)
        device = await self._device(turn, sign_in, responses)
        parameters = await self._exchange.begin(
            turn, sign_in, required(responses, "SRP_A"), self._verifier(turn.pool, sign_in, device), device=True
        )
        await self._challenges.spend_session(session, now=turn.now)
        names = {"USERNAME": sign_in.user_id, "DEVICE_KEY": device.device_key}
        return NextChallenge("DEVICE_PASSWORD_VERIFIER", {**parameters, **names})

    async def answer(self, turn: Turn, responses: Mapping[str, str]) -> Answered:
        """The sign-in with its device proven. The state is in the secret block, as with passwords.

        Raises:
            NotAuthorizedException: the proof is wrong, or the challenge does not stand.
        """
        self._directory.check_secret_hash(turn.client, responses.get("SECRET_HASH"), [required(responses, "USERNAME")])
        block, raw = self._exchange.open(turn, responses, device=True)
        sign_in = block.sign_in
        device = await self._device(turn, sign_in, responses)
        await self._check(turn, block, raw, responses, device)
        await self._factors.change_device(
            turn.pool.id,
            sign_in.username_key,
            device.device_key,
            lambda before: msgspec.structs.replace(
                before, authenticated_at=turn.now, last_ip_used=turn.source_ip or before.last_ip_used
            ),
        )
        proven = sign_in.with_proof("DEVICE_PASSWORD_VERIFIER")
        settings = turn.pool.device_configuration
        if settings is not None and settings.challenge_required_on_new_device and device.remembered:
            proven = proven.with_proof(DEVICE_FOR_MFA)
        return Answered(proven)

    async def _check(
        self, turn: Turn, block: SecretBlock, raw: bytes, responses: Mapping[str, str], device: Device
    ) -> None:
        same = hmac.compare_digest(fingerprint_of(device.verifier_sealed), block.secret)
        await self._exchange.check(
            turn,
            block,
            raw,
            responses,
            SignedNames(device.group_key, device.device_key),
            stands=lambda _: same,
            refusal=lambda _: wrong_credentials("the device's signature is wrong"),
        )

    async def _device(self, turn: Turn, sign_in: SignIn, responses: Mapping[str, str]) -> Device:
        device_key = required(responses, "DEVICE_KEY")
        if device_key != sign_in.device_key:
            raise NotAuthorizedException("Invalid session for the user.", detail="the session is another device's")
        device = await self._factors.load_device(turn.pool.id, sign_in.username_key, device_key)
        if device is None:
            raise device_missing()
        return device

    def _verifier(self, pool: UserPool, sign_in: SignIn, device: Device) -> SrpVerifier:
        opened = self._master_keys.open(
            device.verifier_sealed, purpose=_VERIFIER, context=_context(pool, sign_in.sub, device.device_key)
        )
        fingerprint = fingerprint_of(device.verifier_sealed)
        return SrpVerifier(int.from_bytes(device.salt), int.from_bytes(opened), fingerprint)


def new_device_key(pool: UserPool, entropy: Entropy) -> str:
    """`us-west-2_` and a UUID."""
    return f"{pool.region}_{new_uuid(entropy)}"


def group_key_of(master_keys: MasterKeys, pool: UserPool, device_key: str) -> str:
    """DeviceGroupKey: `-` and some characters, always the same for one device."""
    # The oldest key, so that a rotation between sign-in and ConfirmDevice changes nothing.
    derived = master_keys.derive(
        purpose=_GROUP_KEY, info=f"{pool.id}|{device_key}".encode(), key_id=next(iter(master_keys.keys))
    )
    return "-" + derived.hex()[:_GROUP_KEY_CHARACTERS]


def seal_device_verifier(
    master_keys: MasterKeys, entropy: Entropy, verifier: bytes, *, pool: UserPool, sub: str, device_key: str
) -> bytes:
    """The form in which a device's verifier is kept."""
    return master_keys.seal(verifier, purpose=_VERIFIER, entropy=entropy, context=_context(pool, sub, device_key))


def _context(pool: UserPool, sub: str, device_key: str) -> bytes:
    return f"{pool.id}|{sub}|{device_key}".encode()

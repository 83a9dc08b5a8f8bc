"""AWS KMS: symmetric encryption keys that encrypt, decrypt and make data keys, and never leave the server.

    service = KmsService(database, master_keys, principals, clock, entropy)
    dispatcher.register("kms", *service.operations)
    judge = ControlPlaneJudge(..., resource_policies={"kms": service.policies, ...}, keys=service.keys)

As much of KMS as the auth path needs: keys with their policies, aliases, tags and deletion, `Encrypt`, `Decrypt` and
data keys, bound to an encryption context. Who may is judged by `iam`: the key policy has to allow, alone or by leaving
it to the account's identity policies. Refused by name: grants, key specs other than SYMMETRIC_DEFAULT, multi-Region
keys, imported material, custom key stores, rotation, re-encryption.

A service of ours that a key was handed to (user pools with custom senders) has data keys made by
`keys.data_key_for_service`.
"""

from velvetrope.clock import Clock, Entropy
from velvetrope.kms.alias_operations import AliasOperations
from velvetrope.kms.crypto_operations import CryptoOperations
from velvetrope.kms.key_operations import KeyOperations
from velvetrope.kms.keys import Keys
from velvetrope.kms.policies import KeyPolicies
from velvetrope.kms.tags import TagOperations
from velvetrope.policy import PolicyPrincipals
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database

__all__ = ["KeyPolicies", "Keys", "KmsService"]


class KmsService:
    """The room put together. The public attributes are what others are handed."""

    def __init__(
        self,
        database: Database,
        master_keys: MasterKeys,
        principals: PolicyPrincipals,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self.keys = Keys(database, master_keys, clock, entropy)
        self.policies = KeyPolicies(database, clock)
        self.operations: tuple[object, ...] = (
            KeyOperations(self.keys, principals, entropy),
            AliasOperations(self.keys),
            TagOperations(self.keys),
            CryptoOperations(self.keys),
        )

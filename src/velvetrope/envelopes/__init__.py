"""Messages of the AWS Encryption SDK: a plaintext under a data key of its own, which travels with it, encrypted.

    envelope = Envelope.begin(signing_scalar=entropy.token_bytes(64), encryption_context={"userpool-id": pool_id})
    ... have a data key made for envelope.encryption_context ...
    message = envelope.seal(plaintext, data_key, message_id=entropy.token_bytes(16))

Written here is what Amazon Cognito's custom senders receive; reading it is the Encryption SDK's part. Who makes data
keys is not known here.
"""

from velvetrope.envelopes.messages import DataKey, Envelope

__all__ = ["DataKey", "Envelope"]

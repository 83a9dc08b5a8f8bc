"""The key policy that a KMS key has of whom nobody said who may use it.

Source: AWS KMS Developer Guide, "Default key policy".
"""

__all__ = ["default_key_policy"]


def default_key_policy(account_id: str) -> dict[str, object]:
    """The document that lets the account's identity policies decide."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}

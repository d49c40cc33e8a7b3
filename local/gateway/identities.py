"""The access keys of IAM users and of assumed roles."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from local.names import ACCOUNT_ID, PARTITION

LOCAL_USER = "local"
"""The name of the user that always exists, its access key ID and its secret."""


@dataclass(frozen=True)
class AccessKey:
    """An active access key and its user. Temporary credentials have a token and expire."""

    access_key_id: str
    secret: str = field(repr=False)
    user_id: str
    user_arn: str
    session_token: str | None = field(default=None, repr=False)
    expires: datetime | None = None


FindKey = Callable[[str], AccessKey | None]
"""Finds an access key by its ID."""


def find_access_key(access_key_id: str) -> AccessKey | None:
    """Return the active key from moto's IAM or STS, or None."""
    for role in list(_sts().assumed_roles):
        if role.access_key_id == access_key_id:
            return AccessKey(
                access_key_id,
                role.secret_access_key,
                role.user_id,
                role.arn,
                role.session_token,
                role.expiration.replace(tzinfo=UTC),
            )
    key = _iam().access_keys.get(access_key_id)
    if key is None or key.user_name is None or key.status != "Active":
        return None
    user = _iam().users[key.user_name]
    return AccessKey(access_key_id, key.secret_access_key, user.id, user.arn)


def create_local_user() -> None:
    """Create the user ``local`` in moto's IAM, unless it exists."""
    if LOCAL_USER in _iam().users:
        return
    _iam().create_user("us-east-1", LOCAL_USER)
    key = _iam().create_access_key(LOCAL_USER)
    del _iam().access_keys[key.access_key_id]
    key.access_key_id = key.secret_access_key = LOCAL_USER
    _iam().access_keys[LOCAL_USER] = key


def _iam() -> Any:
    return iam_backends[ACCOUNT_ID][PARTITION]


def _sts() -> Any:
    return sts_backends[ACCOUNT_ID][PARTITION]

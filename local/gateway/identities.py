"""Whose access keys there are: those of IAM's users, and of roles that somebody has assumed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from local.names import ACCOUNT_ID

LOCAL_USER = "local"
"""The user that is always there, and its access key's id and secret."""

_PARTITION = "aws"


@dataclass(frozen=True)
class AccessKey:
    """An access key that may sign, and who signs with it.

    ``session_token`` and ``expires`` are those of temporary credentials.
    """

    access_key_id: str
    secret: str = field(repr=False)
    user_id: str
    user_arn: str
    session_token: str | None = field(default=None, repr=False)
    expires: datetime | None = None


FindKey = Callable[[str], AccessKey | None]
"""Finds an access key by its id."""


def find_access_key(access_key_id: str) -> AccessKey | None:
    """The key as moto's IAM and STS have it at this moment; None if it does not exist."""
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
    """Make the user ``local`` in moto's IAM. Doing it twice does no harm."""
    if LOCAL_USER in _iam().users:
        return
    _iam().create_user("us-east-1", LOCAL_USER)
    key = _iam().create_access_key(LOCAL_USER)
    del _iam().access_keys[key.access_key_id]
    key.access_key_id = key.secret_access_key = LOCAL_USER
    _iam().access_keys[LOCAL_USER] = key


def _iam() -> Any:
    return iam_backends[ACCOUNT_ID][_PARTITION]


def _sts() -> Any:
    return sts_backends[ACCOUNT_ID][_PARTITION]

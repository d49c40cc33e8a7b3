"""Ranges that are read again, for a retry of a part."""

import io
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from zipjobs.archive.parts.rebuild import BodyRun, rebuild
from zipjobs.archive.placed_entry import PlacedEntry
from zipjobs.errors import ServiceUnavailable, SourceChanged, SourceForbidden
from zipjobs.s3.retry import ATTEMPTS
from zipjobs.s3.source import EPOCH, Entry, ObjectVersion, Source
from zipjobs.zipformat.records import Member

BODY = bytes(range(256)) * 8
VERSION = ObjectVersion(Source("src", "a.pdf", "v1"), '"etag"', len(BODY), EPOCH, "v1")


class Client:
    """Responds to GETs with ``responses``: the number of bytes to send, or an error."""

    def __init__(self, *responses: int | tuple[int, str]) -> None:
        self.responses = list(responses)
        self.requests: list[dict[str, Any]] = []

    def get_object(self, **request: Any) -> Any:
        self.requests.append(request)
        response = self.responses.pop(0)
        if isinstance(response, int):
            first = int(request["Range"].removeprefix("bytes=").partition("-")[0])
            return {"Body": io.BytesIO(BODY[first : first + response])}
        status, code = response
        raise ClientError(
            {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
            "GetObject",
        )


def read(client: Client) -> bytes:
    placed = PlacedEntry(
        number=0,
        entry=Entry("a.pdf", VERSION.source),
        version=VERSION,
        member=Member.of("a.pdf", len(BODY), EPOCH),
        deflated=None,
        offset=0,
        header_bytes=35,
        assembled_bytes=0,
        unread_bytes=0,
    )
    with patch("zipjobs.archive.parts.rebuild.time.sleep"):
        return b"".join(rebuild(client, [lambda: b"header", BodyRun(placed, 100, 1000)]))  # type: ignore[arg-type]


def test_a_range_is_resumed_at_the_same_version() -> None:
    client = Client(300, (503, "SlowDown"), 700)
    assert read(client) == b"header" + BODY[100:1100]
    assert [request["Range"] for request in client.requests] == [
        "bytes=100-1099",
        "bytes=400-1099",
        "bytes=400-1099",
    ]
    assert {(r["IfMatch"], r["VersionId"]) for r in client.requests} == {('"etag"', "v1")}


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (412, "PreconditionFailed", SourceChanged),
        (404, "NoSuchKey", SourceChanged),
        (403, "AccessDenied", SourceForbidden),
    ],
)
def test_a_permanent_error_is_not_retried(status: int, code: str, error: type[Exception]) -> None:
    client = Client((status, code))
    with pytest.raises(error, match=r"s3://src/a\.pdf"):
        read(client)


def test_a_server_error_is_retried_some_times() -> None:
    client = Client(*[(500, "InternalError")] * ATTEMPTS)
    with pytest.raises(ServiceUnavailable, match=r"s3://src/a\.pdf"):
        read(client)
    assert client.responses == []

"""The object reader: exact keys, one version, resumed reads, errors by code."""

import io
import threading
import zipfile
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.conftest import Put
from tests.support.keys import ODD_SOURCE_KEYS
from tests.support.other_s3 import differs, only_other_s3
from tests.support.waiting import WAIT_SECONDS, wait_for
from zipjobs.archive.options import BuildContext, EngineOptions
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.whole_archive import build_archive
from zipjobs.errors import (
    ServiceUnavailable,
    SourceArchived,
    SourceChanged,
    SourceEncrypted,
    SourceForbidden,
    SourceNotFound,
    ZipJobsError,
)
from zipjobs.s3 import retry
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader, Read
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.retry import ATTEMPTS
from zipjobs.s3.source import Entry, ObjectVersion, Source
from zipjobs.s3.target import Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Collected:
    """A sink that requests and stores everything."""

    def __init__(self) -> None:
        self.data = b""
        self.pinned: ObjectVersion | None = None
        self.error: ZipJobsError | None = None
        self._over = threading.Event()
        self._read: Read | None = None
        self._length: int | None = None
        self._started = threading.Event()

    def found(self, pinned: ObjectVersion, length: int) -> None:
        self.pinned, self._length = pinned, length
        self._started.wait(WAIT_SECONDS)
        assert self._read is not None
        self._read.proceed(length)

    def received(self, chunk: memoryview | bytes) -> None:
        self.data += chunk

    def done(self) -> None:
        self._over.set()

    def failed(self, error: ZipJobsError) -> None:
        self.error = error
        self._over.set()

    def wait(self, read: Read) -> "Collected":
        self._read = read
        self._started.set()
        assert self._over.wait(WAIT_SECONDS)
        if self.error:
            raise self.error
        return self


def read(
    reader: ObjectReader, source: Source, first: int = 0, length: int = 100, etag: Any = None
) -> Collected:
    sink = Collected()
    return sink.wait(reader.read(source, first, length, sink, etag))


def test_a_small_object_is_read_completely(reader: ObjectReader, put: Put) -> None:
    etag = put("a.pdf", b"0123456789")
    found = read(reader, Source("src", "a.pdf"))
    assert found.data == b"0123456789"
    assert found.pinned is not None
    assert (found.pinned.etag, found.pinned.size) == (etag, 10)


def test_a_range_of_a_large_object_is_read(reader: ObjectReader, put: Put) -> None:
    etag = put("a.pdf", b"0123456789")
    found = read(reader, Source("src", "a.pdf"), 0, 4)
    assert found.data == b"0123"
    assert found.pinned is not None
    assert found.pinned.size == 10
    assert read(reader, Source("src", "a.pdf"), 4, 6, etag).data == b"456789"


def test_an_empty_object_is_read(reader: ObjectReader, put: Put) -> None:
    put("empty", b"")
    found = read(reader, Source("src", "empty"))
    assert found.pinned is not None
    assert (found.data, found.pinned.size) == (b"", 0)


@pytest.mark.parametrize(
    ("mtime", "expected"),
    [
        ("1354040105.123456789", datetime(2012, 11, 27, 18, 15, 5, 123457, tzinfo=UTC)),
        ("1354040105", datetime(2012, 11, 27, 18, 15, 5, tzinfo=UTC)),
        ("-1", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("yesterday", None),
        ("nan", None),
        ("9" * 400, None),
        ("99999999999999", None),
    ],
)
def test_mtime_in_the_metadata_is_the_time_of_the_file(
    s3: "S3Client", reader: ObjectReader, mtime: str, expected: datetime | None
) -> None:
    s3.put_object(Bucket="src", Key="a.pdf", Body=b"0123", Metadata={"mtime": mtime})
    found = read(reader, Source("src", "a.pdf"))
    assert found.pinned is not None
    last_modified = s3.head_object(Bucket="src", Key="a.pdf")["LastModified"]
    assert found.pinned.modified == (expected or last_modified)


def test_no_byte_is_received_before_it_is_requested(reader: ObjectReader, put: Put) -> None:
    put("a.pdf", b"x" * 500_000)
    sink = Collected()
    pending = reader.read(Source("src", "a.pdf"), 0, 500_000, sink, None)
    wait_for("the object to be found", lambda: sink.pinned)
    assert sink.data == b""
    assert len(sink.wait(pending).data) == 500_000


def test_fewer_bytes_than_found_can_be_requested(reader: ObjectReader, put: Put) -> None:
    put("a.pdf", bytes(range(200)) * 1000)

    class Partial(Collected):
        def found(self, pinned: ObjectVersion, length: int) -> None:
            super().found(pinned, 70_000)

    sink = Partial()
    sink.wait(reader.read(Source("src", "a.pdf"), 0, 200_000, sink, None))
    assert sink.data == (bytes(range(200)) * 1000)[:70_000]


@pytest.mark.parametrize("key", ODD_SOURCE_KEYS.values(), ids=ODD_SOURCE_KEYS)
def test_keys_are_not_normalized(reader: ObjectReader, put: Put, key: str) -> None:
    put(key, b"0123456789")
    assert read(reader, Source("src", key)).data == b"0123456789"


def test_an_old_version_is_read(reader: ObjectReader, s3: Any, put: Put) -> None:
    s3.put_bucket_versioning(Bucket="src", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="src", Key="a.pdf", Body=b"first")["VersionId"]
    put("a.pdf", b"second")
    assert read(reader, Source("src", "a.pdf", first)).data == b"first"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("//", marks=differs("InternalError for a key that consists of slashes")),
        pytest.param("a\r\nb", marks=only_other_s3("404 for a key with line breaks")),
    ],
)
def test_keys_of_slashes_and_line_breaks_are_read(reader: ObjectReader, put: Put, key: str) -> None:
    put(key, b"0123456789")
    assert read(reader, Source("src", key)).data == b"0123456789"


@pytest.mark.parametrize("source", [Source("src", "gone.pdf"), Source("no-such-bucket", "a")])
def test_a_missing_object_or_bucket_is_named(reader: ObjectReader, s3: Any, source: Source) -> None:
    with pytest.raises(SourceNotFound, match=str(source)):
        read(reader, source)


def test_an_object_that_changes_between_reads_is_an_error(reader: ObjectReader, put: Put) -> None:
    etag = put("a.pdf", b"0123456789")
    put("a.pdf", b"9876543210")
    with pytest.raises(SourceChanged, match="a.pdf"):
        read(reader, Source("src", "a.pdf"), 4, 6, etag)


BODY = bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)


def test_an_interrupted_body_is_resumed(
    reader: ObjectReader, put: Put, faults: FaultInjector
) -> None:
    put("a.pdf", BODY)
    plan = "faults: [{operation: GetObject, nth: 1, cut: 1000}, {nth: 2, cut: 50000}]"
    faults.install(FaultPlan.parse(plan))
    assert read(reader, Source("src", "a.pdf"), 0, len(BODY)).data == BODY
    assert len(faults.injected) == 2


@pytest.mark.parametrize("deflate", [False, True], ids=["stored", "deflated"])
def test_archives_of_interrupted_bodies_are_complete(
    s3: Any,
    sender: PartSender,
    reader: ObjectReader,
    put: Put,
    faults: FaultInjector,
    deflate: bool,
) -> None:
    """The bodies, and so their CRC-32, come from several responses."""
    for key in "abcd":
        put(key, BODY)
    plan = "faults: [{operation: GetObject, key: 'src/*', times: 8, cut: 40000}]"
    faults.install(FaultPlan.parse(plan))
    options = EngineOptions(copy=False, deflate=deflate)
    entries = [Entry(f"{key}.pdf", Source("src", key)) for key in "abcd"]
    with ArchiveWriter(s3, sender).upload(Target("dst", "zips/a.zip")) as upload:
        blocks = BlockPool(options.least_memory_bytes)
        build_archive(entries, BuildContext(reader, upload, blocks, options))
    assert len(faults.injected) == 8
    body = s3.get_object(Bucket="dst", Key="zips/a.zip")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert [info.CRC for info in archive.infolist()] == [zlib.crc32(BODY)] * 4
        assert all(archive.read(name) == BODY for name in archive.namelist())


@pytest.mark.parametrize(
    ("status", "code", "error", "attempts"),
    [
        (403, "AccessDenied", SourceForbidden, 1),
        (403, "InvalidObjectState", SourceArchived, 1),
        (404, "NoSuchKey", SourceNotFound, 1),
        (412, "PreconditionFailed", SourceChanged, 1),
        (503, "SlowDown", ServiceUnavailable, ATTEMPTS),
    ],
)
def test_the_code_of_s3_decides_the_error(
    reader: ObjectReader,
    faults: FaultInjector,
    status: int,
    code: str,
    error: type[Exception],
    attempts: int,
) -> None:
    plan = f"faults: [{{operation: GetObject, error: {{code: {code}, status: {status}}}}}]"
    faults.install(FaultPlan.parse(plan))
    with pytest.raises(error, match="a.pdf"):
        read(reader, Source("src", "a.pdf"))
    assert len(faults.injected) == attempts


def test_an_object_with_a_key_of_its_owner_is_encrypted(reader: ObjectReader, s3: Any) -> None:
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Bucket="src", Key="secret.pdf", Body=b"secret", **key)
    with pytest.raises(SourceEncrypted, match="key that only its owner has"):
        read(reader, Source("src", "secret.pdf"))


def test_a_delete_marker_is_a_version_that_is_missing(reader: ObjectReader, s3: Any) -> None:
    versioning = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket="src", VersioningConfiguration=versioning)
    version = s3.put_object(Bucket="src", Key="a.pdf", Body=b"a")["VersionId"]
    marker = s3.delete_object(Bucket="src", Key="a.pdf")["VersionId"]
    assert read(reader, Source("src", "a.pdf", version)).data == b"a"
    with pytest.raises(SourceNotFound, match="or it is a delete marker"):
        read(reader, Source("src", "a.pdf", marker))
    with pytest.raises(SourceNotFound, match="does not exist"):
        read(reader, Source("src", "a.pdf"))

"""``bulk-upload`` against the embedded AWS."""

import base64
import signal
import zlib
from pathlib import Path

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.e2e.cli.command import Result, start_zipjobs, zipjobs
from tests.e2e.stack import Client
from tests.support.waiting import WAIT_SECONDS, wait_for


def bulk(client: Client, *arguments: object) -> Result:
    return zipjobs(client, "bulk-upload", *arguments)


def write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, body in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)


def stored(client: Client, key: str) -> tuple[bytes, str]:
    """Return body and CRC-32 of an object in the source bucket."""
    where = {"Bucket": client.outputs["sourceBucket"], "Key": key}
    crc = client.s3.head_object(**where, ChecksumMode="ENABLED")["ChecksumCRC32"]
    return client.s3.get_object(**where)["Body"].read(), crc


def encoded(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def test_uploaded_files_are_skipped_the_next_time(client: Client, tmp_path: Path) -> None:
    contents = {"a.pdf": b"one", "größe/b c.pdf": b"two", "large.bin": bytes(9 << 20)}
    write(tmp_path / "in", contents)
    write(tmp_path, {"other.pdf": b"three"})
    prefix = f"{tmp_path.name}/first"
    arguments = (tmp_path / "in", tmp_path / "other.pdf", "--prefix", prefix)

    first = bulk(client, *arguments)
    assert (first.code, first.err) == (0, "")
    target = f"s3://{client.outputs['sourceBucket']}/{prefix}/"
    assert f"{target}: 4 uploaded (9,437,195 bytes), 0 skipped, 0 failed;" in first.out
    for name, body in {**contents, "other.pdf": b"three"}.items():
        assert stored(client, f"{prefix}/{name}") == (body, encoded(body))

    (tmp_path / "other.pdf").write_bytes(b"THREE")
    again = bulk(client, *arguments, "--json")
    assert (again.code, again.err) == (0, "")
    assert again.json == {
        "bucket": client.outputs["sourceBucket"],
        "prefix": f"{prefix}/",
        "files": 4,
        "bytes": 9_437_195,
        "uploaded": {"files": 1, "bytes": 5},
        "skipped": {"files": 3, "bytes": 9_437_190},
        "failed": [],
        "seconds": again.json["seconds"],
    }
    assert stored(client, f"{prefix}/other.pdf")[0] == b"THREE"
    assert bulk(client, *arguments, "--json", "--force").json["uploaded"]["files"] == 4


def test_generate_uploads_sample_pdfs(client: Client, tmp_path: Path) -> None:
    prefix, folder = f"{tmp_path.name}/samples/", tmp_path / "out"
    done = bulk(client, "--generate", 3, "--out", folder, "--prefix", prefix)
    assert done.code == 0, done.err
    for number in (1, 2, 3):
        name = f"document-{number:04}.pdf"
        assert stored(client, prefix + name)[0] == (folder / name).read_bytes()


def test_bucket_option_and_a_line_per_batch(client: Client, tmp_path: Path) -> None:
    write(tmp_path, {f"{number}.pdf": b"x" for number in range(5)})
    bucket, prefix = client.outputs["targetBucket"], f"{tmp_path.name}/"
    done = bulk(
        client, tmp_path, "--bucket", bucket, "--prefix", prefix, "--batch", 2, "--parallel", 1
    )
    assert done.code == 0
    assert done.err.splitlines() == ["2 of 5 files", "4 of 5 files"]
    listed = client.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
    assert listed["KeyCount"] == 5


def test_failed_files_are_printed_and_uploaded_the_next_time(
    client: Client, faults: FaultInjector, tmp_path: Path
) -> None:
    write(tmp_path, {f"{number}.pdf": b"x" for number in range(5)})
    prefix = f"{tmp_path.name}/failing/"
    plan = f"""faults:
      - operation: PutObject
        key: "*/{prefix}[13].pdf"
        error: {{code: AccessDenied, status: 403}}
    """
    faults.install(FaultPlan.parse(plan))
    done = bulk(client, tmp_path, "--prefix", prefix, "--batch", 2)
    assert done.code == 1
    first, *rest = done.out.splitlines()
    assert "3 uploaded (3 bytes), 0 skipped, 2 failed" in first
    failed = [row for row in rest if "AccessDenied" in row]
    assert [row.split()[0] for row in failed] == [str(tmp_path / "1.pdf"), str(tmp_path / "3.pdf")]
    assert done.err.splitlines() == ["1 of 5 files, 1 failed", "2 of 5 files, 2 failed"]
    result = bulk(client, tmp_path, "--prefix", prefix, "--json")
    assert result.code == 1
    assert result.json["failed"][0] == {
        "file": str(tmp_path / "1.pdf"),
        "key": f"{prefix}1.pdf",
        "problem": result.json["failed"][0]["problem"],
    }

    faults.clear()
    done = bulk(client, tmp_path, "--prefix", prefix)
    assert done.code == 0
    assert "2 uploaded (2 bytes), 3 skipped, 0 failed" in done.out


def test_ctrl_c_leaves_no_incomplete_upload(
    client: Client, faults: FaultInjector, tmp_path: Path
) -> None:
    contents = {f"{number:02}.pdf": b"x" for number in range(40)} | {"99.bin": bytes(40 << 20)}
    write(tmp_path, contents)
    bucket, prefix = client.outputs["sourceBucket"], f"{tmp_path.name}/interrupted/"
    faults.install(FaultPlan.parse("faults: [{operation: UploadPart, latency: 0.5}]"))

    def upload() -> bool | None:
        response = client.s3.list_multipart_uploads(Bucket=bucket)
        return True if response.get("Uploads") else None

    with start_zipjobs(
        client, "bulk-upload", tmp_path, "--prefix", prefix, "--batch", 20
    ) as running:
        wait_for("a multipart upload", upload)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=WAIT_SECONDS)
    assert (running.returncode, out) == (130, "")
    assert "At least 40 of 41 files are uploaded." in err
    assert "Traceback" not in err
    assert upload() is None


def test_an_unknown_bucket_is_an_error(client: Client) -> None:
    done = bulk(client, "README.md", "--bucket", "there-is-none")
    assert (done.code, done.out) == (2, "")
    assert "The bucket there-is-none does not exist." in done.err

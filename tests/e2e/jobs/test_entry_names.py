"""Names of archives and members that a request sets."""

import json
from pathlib import Path

from tests.e2e.stack import Client
from tests.support.readers import by_python


def test_download_has_folders_and_the_requested_file_name(client: Client, tmp_path: Path) -> None:
    contents = {"q3/one.pdf": b"one", "q3/inv/one.pdf": b"another"}
    prefix = client.put_sources(contents)
    request = {"prefix": prefix, "naming": "relative", "archiveName": "q3 invoices.zip"}
    job = client.finished(client.post(request))
    assert job["targetKey"] == f"zips/{job['jobId']}/q3 invoices.zip"
    (tmp_path / "download").mkdir()
    archive = client.download(job, tmp_path / "download")
    assert archive.name == "q3 invoices.zip"
    assert by_python(archive, tmp_path / "extracted") == contents
    _, headers, receipt = client.curl(job["archives"][0]["receiptUrl"])
    assert 'filename="q3 invoices.receipt.json"' in headers["content-disposition"]
    assert [entry["name"] for entry in receipt["entries"]] == ["q3/inv/one.pdf", "q3/one.pdf"]


def test_names_in_any_script_reach_s3_and_the_link(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    job = client.finished(client.post({"prefix": prefix, "archiveName": "für 請求書 + 100%"}))
    assert job["status"] == "READY"
    assert job["targetKey"] == f"zips/{job['jobId']}/für 請求書 + 100%.zip"
    status, headers, _ = client.curl(job["downloadUrl"])
    assert status == 200
    name = "f%C3%BCr%20%E8%AB%8B%E6%B1%82%E6%9B%B8%20%2B%20100%25.zip"
    assert headers["content-disposition"].endswith(f"filename*=UTF-8''{name}")


def test_duplicate_names_error_lists_the_objects(client: Client) -> None:
    prefix = client.put_sources({"a/one.pdf": b"one", "b/One.pdf": b"two"})
    manifest = client.upload_manifest(
        json.dumps({"prefix": prefix, "onDuplicate": "fail"}).encode()
    )
    error = client.event_of_manifest(manifest)["detail"]["error"]
    assert error["code"] == "DUPLICATE_NAME"
    bucket = client.outputs["sourceBucket"]
    assert error["objects"] == [
        f"s3://{bucket}/{prefix}{key}" for key in ("a/one.pdf", "b/One.pdf")
    ]

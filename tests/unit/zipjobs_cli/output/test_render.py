"""Jobs as text and tables."""

import io
import re
from datetime import timedelta

import pytest
from rich.console import Console

from tests.unit.zipjobs_cli.conftest import JOB_ID, job
from zipjobs_cli.client.job import Job
from zipjobs_cli.output.render import age, job_table, print_job


def printed(job: Job, has_links: bool = False) -> str:
    out = io.StringIO()
    print_job(Console(file=out, width=60), job, has_links)
    return out.getvalue()


def test_each_field_is_a_line() -> None:
    text = printed(
        job(
            "READY",
            archives=[
                {
                    "key": "zips/a.zip",
                    "size": 1000,
                    "crc32": "312d959c",
                    "downloadUrl": f"https://{'long' * 50}",
                }
            ],
            skipped=25,
            skippedObjects=[
                {"object": f"s3://src/[{i}]\x1b", "reason": "SOURCE_ARCHIVED"} for i in range(22)
            ],
        )
    )
    assert "Status    READY\n" in text
    assert "Entries   3 of 1,200\n" in text
    assert "Bytes     3,000\n" in text
    assert "Archive   s3://dst/zips/a.zip  (1,000 bytes, CRC-32 312d959c)\n" in text
    assert "Skipped   25 objects, listed below\n" in text
    assert re.search(r"s3://src/\[0\]\\x1b +SOURCE_ARCHIVED", text)
    assert "… and 5 more" in text
    assert "https" not in text


def test_links_are_not_wrapped() -> None:
    link = f"https://{'long' * 50}"
    archive = {"key": "k", "size": 1, "crc32": "0", "downloadUrl": link}
    assert f"Link      {link}\n" in printed(job("READY", archives=[archive]), has_links=True)


def test_an_error_has_its_problems_and_objects() -> None:
    error = {
        "code": "INVALID_MANIFEST",
        "message": "It does not fit.",
        "objects": ["s3://src/a"],
        "problems": [{"detail": "too short", "pointer": "#/keys/0", "line": 7}],
    }
    text = printed(job("FAILED", error=error))
    assert "Error     INVALID_MANIFEST: It does not fit.\n" in text
    assert "          line 7, #/keys/0: too short\n" in text
    assert "          s3://src/a\n" in text


def test_objects_with_different_codes_have_their_code() -> None:
    by_code = {
        "SOURCE_NOT_FOUND": [f"s3://src/{number}" for number in range(22)],
        "SOURCE_ARCHIVED": ["s3://src/cold"],
    }
    error = {
        "code": "SOURCE_NOT_FOUND",
        "message": "23 objects cannot be read.",
        "objects": [name for names in by_code.values() for name in names],
        "objectsByCode": by_code,
    }
    text = printed(job("FAILED", error=error))
    assert "          s3://src/19 (SOURCE_NOT_FOUND)\n          … and 2 more\n" in text
    assert "          s3://src/cold (SOURCE_ARCHIVED)\n" in text


def test_a_list_has_a_row_per_job() -> None:
    out = io.StringIO()
    manifest = {"bucket": "m", "key": "manifests/q3.json"}
    failed = job("FAILED", error={"code": "SOURCE_NOT_FOUND"})
    jobs = [job(), failed, job(manifest=manifest), job(targetKey=f"zips/{JOB_ID}/q3.zip")]
    Console(file=out, width=120).print(job_table(jobs))
    rows = [row for row in out.getvalue().splitlines() if JOB_ID in row]
    assert [row.split()[1] for row in rows] == ["RUNNING", "FAILED", "RUNNING", "RUNNING"]
    assert rows[1].split()[-1] == "SOURCE_NOT_FOUND"
    assert rows[2].split()[-1] == "q3.json"
    assert rows[3].split()[-1] == "q3.zip"


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=30), "30 d"),
    ],
)
def test_age(time: timedelta, text: str) -> None:
    assert age(time) == text

"""Following a job, and how jobs read."""

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from zipjobs_cli.client.api import ApiError
from zipjobs_cli.client.poll import LAST_PAUSE_SECONDS, follow
from zipjobs_cli.output.render import age, job_table, tell_job

if TYPE_CHECKING:
    from zipjobs_cli.client.api import Api
    from zipjobs_cli.client.job import Job

JOB_ID = "0f4bebbb-8ec9-5ce3-9c4a-bbb0e981fc8e"
UNKNOWN = ApiError(404, "JOB_NOT_FOUND", "There is no job")


def job(status: str = "RUNNING", **changed: object) -> "Job":
    content: dict[str, object] = {
        "jobId": JOB_ID,
        "status": status,
        "trigger": "api",
        "manifest": None,
        "sourceBucket": "src",
        "targetBucket": "dst",
        "targetKey": f"zips/{JOB_ID}.zip",
        "entries": {"done": 3, "total": 1200},
        "bytes": {"done": 3000, "total": None},
        "archives": [],
        "skipped": 0,
        "skippedObjects": [],
        "createdAt": "2026-11-25T14:01:26.384Z",
        "updatedAt": "2026-11-25T14:01:27.384Z",
        "error": None,
    }
    return cast("Job", {**content, **changed})


class Scripted:
    """Plays the API: answers by a script."""

    def __init__(self, *answers: "Job | ApiError") -> None:
        self._answers = list(answers)

    def get(self, job_id: str) -> "Job":
        assert job_id == JOB_ID
        answer = self._answers.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer


def followed(*answers: "Job | ApiError", patience_seconds: float = 0.0) -> tuple[Any, list[float]]:
    """What was told, and how long it was waited each time."""
    told: list[Job] = []
    pauses: list[float] = []
    api = cast("Api", Scripted(*answers))
    last = follow(api, JOB_ID, told.append, patience_seconds, pauses.append)
    assert last is told[-1]
    return told, pauses


def test_a_job_is_asked_for_until_it_has_its_end() -> None:
    script = [job("PENDING"), *[job()] * 20, job("FAILED")]
    told, pauses = followed(*script)
    assert told == script
    assert pauses == sorted(pauses)
    assert pauses[-1] == LAST_PAUSE_SECONDS


def test_a_job_that_is_not_known_is_waited_for_only_with_patience() -> None:
    told, _ = followed(UNKNOWN, UNKNOWN, job("READY"), patience_seconds=60)
    assert [one["status"] for one in told] == ["READY"]
    with pytest.raises(ApiError):
        followed(UNKNOWN, job("READY"))


def test_any_other_refusal_is_the_end_of_it() -> None:
    with pytest.raises(ApiError):
        followed(ApiError(403, "FORBIDDEN", "No"), job("READY"), patience_seconds=60)


def read(job: "Job", has_links: bool = False) -> str:
    out = io.StringIO()
    tell_job(Console(file=out, width=60), job, has_links)
    return out.getvalue()


def test_a_job_reads_line_by_line() -> None:
    text = read(
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
            skippedObjects=[f"s3://src/[{i}]\x1b" for i in range(22)],
        )
    )
    assert "Status    READY\n" in text
    assert "Entries   3 of 1,200\n" in text
    assert "Bytes     3,000\n" in text
    assert "Archive   s3://dst/zips/a.zip  (1,000 bytes, CRC-32 312d959c)\n" in text
    assert "Skipped   25, which did not exist\n          s3://src/[0]\\x1b\n" in text
    assert "… and 5 more" in text
    assert "https" not in text


def test_links_are_whole_lines() -> None:
    link = f"https://{'long' * 50}"
    archive = {"key": "k", "size": 1, "crc32": "0", "downloadUrl": link}
    assert f"Link      {link}\n" in read(job("READY", archives=[archive]), has_links=True)


def test_a_failure_says_why_and_where() -> None:
    error = {
        "code": "INVALID_MANIFEST",
        "message": "It does not fit.",
        "objects": ["s3://src/a"],
        "problems": [{"detail": "too short", "pointer": "#/keys/0", "line": 7}],
    }
    text = read(job("FAILED", error=error))
    assert "Error     INVALID_MANIFEST: It does not fit.\n" in text
    assert "          line 7, #/keys/0: too short\n" in text
    assert "          s3://src/a\n" in text


def test_a_list_is_a_row_for_each_job() -> None:
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
def test_an_age_is_short(time: timedelta, text: str) -> None:
    assert age(time) == text

"""The whole way, tried out: a job is submitted and followed to its end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from zipjobs_cli.client.api import Api, ApiError
from zipjobs_cli.client.job import FINAL, Job
from zipjobs_cli.client.manifest import drop
from zipjobs_cli.client.poll import EVENT_SECONDS
from zipjobs_cli.errors import CliError

POLL_SECONDS = 0.25

MANIFEST = "test-flow"
"""The name of the manifest that is dropped. Each time it is a new version, and so a new job."""


class Trigger(StrEnum):
    """What makes a job."""

    API = "api"
    MANIFEST = "manifest"


@dataclass
class FlowJob:
    """A job on its way, submitted when the clock stood at ``began``.

    ``view`` is the job as the API showed it last, ``seconds`` how long it took until then.
    ``files`` are its archives here. ``problem`` says what is wrong, once something is.
    """

    job_id: str
    trigger: Trigger
    began: float
    seconds: float = 0.0
    view: Job | None = None
    files: Sequence[Path] = ()
    problem: str | None = None

    @property
    def status(self) -> str | None:
        return self.view["status"] if self.view else None

    @property
    def bytes_per_second(self) -> float:
        return self.view["bytes"]["done"] / self.seconds if self.view and self.seconds else 0.0


def submit(api: Api, trigger: Trigger, prefix: str) -> FlowJob:
    """Make a job of all that is below ``prefix`` in the source bucket.

    Raises CliError if it is not accepted, or cannot be followed, and what boto3 raises.
    """
    began = time.monotonic()
    if trigger is Trigger.API:
        return FlowJob(api.submit({"prefix": prefix})["jobId"], trigger, began)
    dropped = drop(api.stack, MANIFEST, {"prefix": prefix})
    if dropped.job_id is None:
        raise CliError(
            f"s3://{dropped.bucket}/{dropped.key} starts a job that cannot be followed, for the "
            "bucket keeps no versions. Try --trigger api."
        )
    return FlowJob(dropped.job_id, trigger, began)


def follow_all(
    api: Api,
    jobs: Sequence[FlowJob],
    timeout_seconds: float,
    on_job: Callable[[FlowJob], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask for ``jobs`` again and again until each has its end, or a problem; tell every answer.

    That a job is not READY in the end is one, and that it takes longer than ``timeout_seconds``.
    Raises CliError if the API gives no answer.
    """
    waiting = list(jobs)
    while waiting:
        for job in list(waiting):
            _look(api, job, timeout_seconds)
            on_job(job)
            if job.problem or job.status in FINAL:
                waiting.remove(job)
        if waiting:
            sleep(POLL_SECONDS)


def _look(api: Api, job: FlowJob, timeout_seconds: float) -> None:
    try:
        job.view = api.get(job.job_id)
    except ApiError as error:
        if error.code != "JOB_NOT_FOUND":
            raise
    job.seconds = time.monotonic() - job.began
    if job.view is None:
        if job.seconds > min(EVENT_SECONDS, timeout_seconds):
            job.problem = f"after {job.seconds:,.0f} seconds the API does not know it"
    elif job.status in FINAL:
        job.problem = _why_not_ready(job.view)
    elif job.seconds > timeout_seconds:
        job.problem = f"it is still {job.status} after {job.seconds:,.0f} seconds"


def _why_not_ready(view: Job) -> str | None:
    if error := view.get("error"):
        return f"{error['code']}: {error['message']}"
    return None if view["status"] == "READY" else f"it is {view['status']}"

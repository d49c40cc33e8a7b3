"""``POST /zip-jobs``: checks a request, puts it on the queue, answers 202.

With an ``Idempotency-Key``, the same request again is the same job.
"""

import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header

from zipjobs import telemetry
from zipjobs.api.application import JOBS, Api, RequestBody, json_response
from zipjobs.api.problems import documented
from zipjobs.errors import TransientError
from zipjobs.jobs.job import EVERYONE, Status, Submission, Trigger
from zipjobs.model import Model, utc_now
from zipjobs.requests.idempotency import (
    MAX_KEY_CHARS,
    idempotent_job_id,
    key_reused,
    request_digest,
)
from zipjobs.requests.schema import JobRequest
from zipjobs.requests.storage import ObjectRef

if TYPE_CHECKING:
    from zipjobs.wiring.api import EnqueueDependencies

logger = logging.getLogger(__name__)

app: "Api[EnqueueDependencies]" = Api()


class SubmittedJob(Model):
    """A job that was accepted, now or before with the same idempotency key."""

    job_id: str
    status: Status


@app.post(
    "/zip-jobs",
    operation_id="submitJob",
    tags=[JOBS],
    summary="Submit a job",
    description="Zip objects in S3. Ask for the job until it is READY, FAILED or CANCELLED.",
    responses={
        202: {
            "description": "The job was accepted",
            "headers": {
                "Location": {"description": "The job", "schema": {"type": "string"}},
                "Retry-After": {"description": "Seconds", "schema": {"type": "string"}},
            },
            "content": {"application/json": {"model": SubmittedJob}},
        },
        **documented(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
)
def post(
    request: RequestBody,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="The same key with the same request is the same job, however often it is "
            "sent. Such as a UUID. Each caller has keys of its own.",
            min_length=1,
            max_length=MAX_KEY_CHARS,
            pattern="^[ -~]+$",
        ),
    ] = None,
) -> Response[str]:
    """Accept a job."""
    accepted = submit(request, app.dependencies, idempotency_key, app.caller)
    headers = {"location": f"/zip-jobs/{accepted.job_id}", "retry-after": "1"}
    return json_response(accepted, HTTPStatus.ACCEPTED, headers)


def submit(
    request: JobRequest,
    dependencies: "EnqueueDependencies",
    key: str | None = None,
    caller: str = EVERYONE,
) -> SubmittedJob:
    """Accept a job, or find that it was accepted before: with the same idempotency ``key``."""
    if key is None:
        job_id = str(uuid.uuid4())
        return _accept(job_id, request, dependencies, caller, dependencies.requests.save)
    job_id = idempotent_job_id(key, caller)
    telemetry.log_keys.append_keys(job_id=job_id)
    digest = request_digest(request)
    job = dependencies.store.get(job_id)
    if job is None:
        dependencies.store.forget_expired(job_id)
        save_once = dependencies.requests.save_once
        return _accept(job_id, request, dependencies, caller, save_once, digest)
    if job.request_digest != digest:
        raise key_reused()
    return SubmittedJob(job_id=job_id, status=job.status)


def _accept(
    job_id: str,
    request: JobRequest,
    dependencies: "EnqueueDependencies",
    caller: str,
    save: Callable[[str, JobRequest], ObjectRef],
    digest: str | None = None,
) -> SubmittedJob:
    """Queue a job, and record it.

    The message goes out before the record: a worker that finds no record writes it, so there is
    no moment at which a crash would leave a recorded job that nobody works on. Once it is out the
    job is accepted, whatever becomes of the record here.
    """
    telemetry.log_keys.append_keys(job_id=job_id)
    destination = dependencies.allow_list.resolve(request, job_id)
    submission = Submission(
        job_id=job_id,
        owner=caller,
        trigger=Trigger.API,
        request=save(job_id, request),
        request_digest=digest,
        submitted_at=utc_now(),
    )
    dependencies.queue.send(submission)
    try:
        dependencies.store.create(submission, destination, request.count)
    except TransientError:
        logger.warning("Job %s: its worker will record it", job_id, exc_info=True)
    logger.info("Job %s: accepted, %s", job_id, _extent(request))
    return SubmittedJob(job_id=job_id, status=Status.PENDING)


def _extent(request: JobRequest) -> str:
    if request.count is not None:
        return f"{request.count:,} entries"
    return f"entries to be found (prefix {request.prefix!r}, list {request.entries_from!r})"

"""``GET /zip-jobs/{jobId}``: show a job. ``GET /zip-jobs``: list jobs, newest first."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from zipjobs import telemetry
from zipjobs.api.application import JOBS, Api, json_response
from zipjobs.api.problems import problem_responses
from zipjobs.api.routes import JOB_PATH, JobId, job_not_found
from zipjobs.jobs.download_links import DownloadLink
from zipjobs.jobs.job import Job, Status
from zipjobs.jobs.job_list import CURSOR, DEFAULT_LIMIT, MAX_LIMIT
from zipjobs.jobs.view import JobsView, JobView

if TYPE_CHECKING:
    from zipjobs.wiring.api import StatusDependencies

app: "Api[StatusDependencies]" = Api()


@app.get(
    JOB_PATH,
    operation_id="getJob",
    tags=[JOBS],
    summary="Show a job",
    description="A READY job has download links, created for this response.",
    responses={
        200: {"description": "The job", "content": {"application/json": {"model": JobView}}},
        **problem_responses(
            HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
        ),
    },
)
def get(job_id: JobId) -> Response[str]:
    """Show a job."""
    telemetry.log_keys.append_keys(job_id=job_id)
    dependencies = app.dependencies
    job = dependencies.store.get(job_id)
    if job is None or not job.is_visible_to(app.caller):
        raise job_not_found(job_id)
    links = dependencies.links.create(job) if job.status is Status.READY else None
    return json_response(_view(job, links))


@app.get(
    "/zip-jobs",
    operation_id="listJobs",
    tags=[JOBS],
    summary="List jobs, newest first",
    description="Your own jobs, and all jobs that were submitted by manifest.",
    responses={
        200: {"description": "A page", "content": {"application/json": {"model": JobsView}}},
        **problem_responses(
            HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE
        ),
    },
)
def list_jobs(
    status: Annotated[Status | None, Query(description="List only jobs with this status.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="The maximum number of jobs in a page.")
    ] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None,
        Query(pattern=CURSOR, description="`nextCursor` of the previous page."),
    ] = None,
) -> Response[str]:
    """List jobs."""
    page = app.dependencies.jobs.page(app.caller, status, limit, cursor)
    views = tuple(_view(job) for job in page.jobs)
    return json_response(JobsView(jobs=views, next_cursor=page.next_cursor))


def _view(job: Job, links: tuple[DownloadLink, ...] | None = None) -> JobView:
    counts = None if job.status is Status.READY else app.dependencies.progress.total(job)
    return JobView.of(job, links, counts)

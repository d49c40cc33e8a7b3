"""CloudWatch metrics about jobs, written to the log in the embedded metric format.

The dashboard and the alarms use them: see ``infra/monitoring``.
"""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from zipjobs.jobs.events import Durations
from zipjobs.jobs.job import Job, Status

NAMESPACE = "S3ZipJobs"

NAME_OF_STATUS = {
    Status.READY: "JobsReady",
    Status.FAILED: "JobsFailed",
    Status.CANCELLED: "JobsCancelled",
}


class JobMetrics:
    """Writes metrics with one dimension, ``service``: the name of the stack.

    CloudWatch charges for each combination of name and dimensions. Values with many variants, such
    as the job ID, are therefore properties of the log line.
    """

    def __init__(self, service: str) -> None:
        self._service = service

    def job_finished(self, job: Job) -> None:
        """Count a final job. For a READY job, record durations and sizes too."""
        metrics = self._metrics()
        metrics.add_metric(NAME_OF_STATUS[job.status], MetricUnit.Count, 1)
        if job.status is Status.READY:
            durations = Durations.of(job)
            for name, unit, value in (
                ("QueuedSeconds", MetricUnit.Seconds, durations.queued_seconds),
                ("RunningSeconds", MetricUnit.Seconds, durations.running_seconds),
                ("BytesZipped", MetricUnit.Bytes, sum(one.size for one in job.archives)),
                ("BytesCopied", MetricUnit.Bytes, sum(one.copied_bytes for one in job.archives)),
                ("Entries", MetricUnit.Count, sum(one.entries for one in job.archives)),
                ("Skipped", MetricUnit.Count, job.skipped),
                ("Segments", MetricUnit.Count, job.segments or 1),
                ("Parts", MetricUnit.Count, sum(one.parts for one in job.archives)),
            ):
                metrics.add_metric(name, unit, value)
        metrics.add_metadata("job_id", job.job_id)
        metrics.add_metadata("trigger", job.trigger)
        if job.error is not None:
            metrics.add_metadata("code", job.error.code)
        metrics.flush_metrics()

    def reconciled(self, stuck: int, outcomes: Mapping[str, int]) -> None:
        """Count the ``stuck`` jobs that the reconciler found: unfinished and overdue.

        Zero is recorded too: it shows that the reconciler ran. ``outcomes`` become properties.
        """
        metrics = self._metrics()
        metrics.add_metric("JobsStuck", MetricUnit.Count, stuck)
        for name, count in outcomes.items():
            metrics.add_metadata(name, count)
        metrics.flush_metrics()

    def _metrics(self) -> EphemeralMetrics:
        return EphemeralMetrics(namespace=NAMESPACE, service=self._service)

"""What becomes of jobs, as CloudWatch metrics: log lines in the embedded metric format.

The dashboard and the alarms are made of them: ``infra/monitoring``.
"""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from zipjobs.jobs.events import Durations
from zipjobs.jobs.job import Job, Status

NAMESPACE = "S3ZipJobs"

ENDS = {
    Status.READY: "JobsReady",
    Status.FAILED: "JobsFailed",
    Status.CANCELLED: "JobsCancelled",
}


class JobMetrics:
    """Writes metrics with one dimension, ``service``: the stack that they are of.

    CloudWatch takes money for each metric, by name and dimension. So a job's id, and all else by
    which there would be many, stands in the line as a property, to search the log for.
    """

    def __init__(self, service: str) -> None:
        self._service = service

    def ended(self, job: Job) -> None:
        """Count a job that has its end, and, of one that is READY, what it took."""
        metrics = self._metrics()
        metrics.add_metric(ENDS[job.status], MetricUnit.Count, 1)
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

    def swept(self, stuck: int, met: Mapping[str, int]) -> None:
        """Count the jobs that a sweep found ``stuck``: without an end, and overdue. None counts
        too: it says that there was a sweep. What they ``met`` with becomes properties.
        """
        metrics = self._metrics()
        metrics.add_metric("JobsStuck", MetricUnit.Count, stuck)
        for name, count in met.items():
            metrics.add_metadata(name, count)
        metrics.flush_metrics()

    def _metrics(self) -> EphemeralMetrics:
        return EphemeralMetrics(namespace=NAMESPACE, service=self._service)

"""The limits of a job."""

from dataclasses import dataclass, field

from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.zipformat.member_names import MAX_PATHS


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Limits that depend on the settings of the zipper function.

    ``max_paths`` limits the files and folders of a job. ``quota`` is what one worker takes on: a
    job that needs more is split into segments.
    """

    max_paths: int = MAX_PATHS
    quota: WorkerQuota = field(default_factory=WorkerQuota)

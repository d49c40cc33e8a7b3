"""The crash matrix as lines of a table, for pytest's summary."""

from collections import Counter
from dataclasses import dataclass, field

MATRIX = "crash matrix"
"""The property of a test report that holds a line."""

HEADER = f"{'scenario':40}  calls  kills  final statuses"


@dataclass
class Row:
    """A scenario: its number of calls, and the final statuses of the runs with a crash.

    ``errors`` describe the runs with a wrong outcome.
    """

    scenario: str
    calls: int = 0
    final_statuses: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.final_statuses.total() + len(self.errors)

    def __str__(self) -> str:
        counts = [f"{count} {status}" for status, count in sorted(self.final_statuses.items())]
        if self.errors:
            counts.append(f"{len(self.errors)} WRONG")
        return f"{self.scenario:40}  {self.calls:5}  {self.kills:5}  {', '.join(counts)}"

"""The matrix as a table, for pytest's summary."""

import json
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Row:
    """A scenario: its number of calls, and the final statuses of the runs with a crash.

    ``mistakes`` describe the runs with a wrong outcome.
    """

    scenario: str
    calls: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)

    def note(self, end: str, mistake: str | None) -> None:
        """Count a job: its end, unless there was a mistake."""
        if mistake is None:
            self.ends[end] += 1
        else:
            self.mistakes.append(mistake)

    def to_json(self) -> str:
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> "Row":
        values = json.loads(text)
        return cls(**{**values, "ends": Counter(values["ends"])})

    @property
    def kills(self) -> int:
        return self.ends.total() + len(self.mistakes)


MATRIX = "crash matrix"
"""The property of a test report that holds a row."""


def table(rows: list[Row]) -> list[str]:
    """Return a line for each row, and one for the total."""
    width = max(len(row.scenario) for row in rows)
    total = Row("total", sum(row.calls for row in rows))
    for row in rows:
        total.ends += row.ends
        total.mistakes += row.mistakes
    head = f"{'scenario':{width}}  calls  kills  ended as"
    return [head, *(_line(row, width) for row in [*rows, total])]


def _line(row: Row, width: int) -> str:
    ends = [f"{count} {end}" for end, count in sorted(row.ends.items())]
    if row.mistakes:
        ends.append(f"{len(row.mistakes)} WRONG")
    return f"{row.scenario:{width}}  {row.calls:5}  {row.kills:5}  {', '.join(ends)}"

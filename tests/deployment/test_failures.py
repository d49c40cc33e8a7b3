"""``pulumi up`` can be repeated after it failed half-way, and leaves nothing behind."""

from collections import Counter
from pathlib import Path

from local.deployment.engine import stack_config
from local.errors import LocalError
from tests.deployment.left_over import left_over
from tests.deployment.stack import deployment, packaged_project

MAX_RUNS = 30


class RefusesOnce:
    """Refuses the first attempt to create each resource."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, str]] = Counter()

    def __call__(self, kind: str, name: str) -> None:
        self.attempts[kind, name] += 1
        if self.attempts[kind, name] == 1:
            raise LocalError(f"{name} is refused once.")


def test_each_resource_can_fail_once(tmp_path: Path) -> None:
    project = packaged_project(tmp_path / "project")
    config = stack_config("dev", {"alarmEmail": "night@example.com", "customerKey": "create"})
    refusal = RefusesOnce()
    with deployment(project, tmp_path / "state", config, before_create=refusal) as deployed:
        planned = {(f"aws:{step.kind}", step.name) for step in deployed.plan()}
        runs = 1
        while deployed.engine.attempt(
            "up", "--yes", "--skip-preview", "--continue-on-error"
        ).returncode:
            runs += 1
            assert runs < MAX_RUNS, "one run for each level of the dependencies is enough"
        assert set(refusal.attempts) == planned
        assert set(refusal.attempts.values()) == {2}
        assert runs > 1
        deployed.engine.run("up", "--yes", "--expect-no-changes")
        deployed.engine.run("destroy", "--yes")
        assert left_over(deployed.aws) == {}

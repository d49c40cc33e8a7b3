"""What a change of each setting does to a running stack: its plan, and the table in the docs."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from local.deployment.engine import stack_config
from tests.deployment.stack import Deployment, Step, deployment, packaged_project
from tests.infra.config.valid import PROJECT
from tests.support.project import ROOT

PAGE = ROOT / "docs" / "upgrading.md"

BASE: dict[str, Any] = {
    **stack_config("dev", {}),
    "alarmEmail": "day@example.com",
    "allowedSources": ["our-documents"],
    "apiAuth": "jwt",
    "apiJwtIssuer": "https://login.example.com",
    "apiJwtAudience": ["everyone"],
    "forceDestroy": False,
}
CHANGES: dict[str, Any] = {
    "resourcePrefix": "other",
    "sourceBucket": "our-documents",
    "targetBucket": "our-archives",
    "targetPrefix": "archives/",
    "manifestBucket": "our-manifests",
    "manifestPrefix": "inbox/",
    "allowedSources": ["our-documents", "more-documents"],
    "allowedTargets": ["our-archives"],
    "allowSourceOverlap": True,
    "bucketOwners": ["our-documents=011122223333"],
    "presignTtlSeconds": 3600,
    "jobRetentionDays": 60,
    "archiveRetentionDays": 60,
    "logRetentionDays": 30,
    "zipperMemoryMb": 2048,
    "zipperTimeoutSeconds": 600,
    "zipperMaxConcurrency": 20,
    "zipperPollers": 2,
    "segmentMib": 512,
    "maxReceiveCount": 3,
    "reconcileMinutes": 30,
    "alarmEmail": "night@example.com",
    "alarmOldestMessageSeconds": 3600,
    "apiAuth": "iam",
    "apiJwtIssuer": "https://sso.example.com",
    "apiJwtAudience": ["someone"],
    "apiDocs": False,
    "apiCorsOrigins": ["https://app.example.com"],
    "apiRate": 50,
    "completionEventsQueue": False,
    "tracing": True,
    "customerKey": "create",
    "sourceKmsKeyArns": ["arn:aws:kms:us-east-1:111122223333:key/0d0d0d0d"],
    "targetKmsKeyArns": ["arn:aws:kms:us-east-1:111122223333:key/0d0d0d0d"],
    "protectData": True,
    "forceDestroy": True,
}
UNSET = {"apiAuth": ("apiJwtIssuer", "apiJwtAudience")}
"""Settings that a change requires to be left out."""

MANY_TYPES = 20
OPERATIONS = ("update", "replace", "create", "delete")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("settings")
    project = packaged_project(folder / "project")
    with deployment(project, folder / "state", BASE) as running:
        for bucket in ("our-documents", "our-archives", "our-manifests"):
            running.aws.client("s3").create_bucket(Bucket=bucket)
        running.up()
        yield running


def changed(setting: str, value: object) -> dict[str, Any]:
    left_out = UNSET.get(setting, ())
    return {key: each for key, each in BASE.items() if key not in left_out} | {setting: value}


def documented() -> dict[str, tuple[str, ...]]:
    """Return the cells of each setting in the table of the page."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE.read_text(), re.MULTILINE)
    return {name: tuple(cell.strip() for cell in cells.split("|")) for name, cells in rows}


def cells(plan: list[Step]) -> tuple[str, ...]:
    """Return the types that each operation concerns, as the table writes them."""
    kinds = defaultdict(set)
    for step in plan:
        kinds[step.operation].add(step.kind.rpartition(":")[2])
    return tuple(_cell(kinds[operation]) for operation in OPERATIONS)


def _cell(kinds: set[str]) -> str:
    if len(kinds) > MANY_TYPES:
        return "everything"
    if "Bucket" in kinds and len(kinds) > 1:
        kinds = {kind for kind in kinds if not kind.startswith("Bucket")}
        return ", ".join(["Bucket and its settings", *sorted(kinds)])
    return ", ".join(sorted(kinds)) or "-"


def test_the_table_has_every_setting() -> None:
    settings = {name for name in PROJECT if name != "aws:region"}
    assert settings == set(CHANGES) == set(documented())


@pytest.mark.parametrize("setting", CHANGES)
def test_the_plan_is_the_documented_one(setting: str, running: Deployment) -> None:
    running.engine.write_config(changed(setting, CHANGES[setting]))
    plan = running.plan()
    row = cells(plan)
    assert row == documented().get(setting), f"| `{setting}` | {' | '.join(row)} |"
    lost = {step.kind for step in plan if step.operation in ("replace", "delete")}
    if setting not in ("resourcePrefix", "sourceBucket", "targetBucket", "manifestBucket"):
        assert not lost & {"s3/bucket:Bucket", "dynamodb/table:Table"}

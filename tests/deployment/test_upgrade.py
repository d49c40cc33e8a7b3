"""Jobs of the previous version finish while ``pulumi up`` deploys this one."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployment.engine import stack_config
from local.faults.plan import FaultPlan
from tests.deployment.stack import Deployment, deployment, package_functions, packaged_project
from tests.support.project import ROOT
from tests.support.waiting import wait_for

PREVIOUS = "2aba9f11ea47fa6897c3bc7d78c7ee7ec2538000"
"""The commit of the previous version."""

CONFIG = {**stack_config("dev", {}), "segmentMib": 8, "zipperMaxConcurrency": 2}
SLOW_READS = FaultPlan.parse(
    "faults: [{service: s3, operation: GetObject, key: '*/slow-*', caller: zipper, latency: 10}]"
)
MIB = 2**20


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project of the previous version, with its package."""
    archive = subprocess.run(
        ["git", "archive", PREVIOUS], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(f"git does not have the commit {PREVIOUS[:7]}: clone the whole history")
    folder = tmp_path_factory.mktemp("previous") / "project"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    package_functions(folder)
    return folder


@pytest.fixture
def running(previous: Path, tmp_path: Path) -> Iterator[Deployment]:
    with deployment(previous, tmp_path / "state", CONFIG) as running:
        running.up()
        running.aws.services.warm_up()
        yield running


def test_running_and_waiting_jobs_finish(running: Deployment, tmp_path: Path) -> None:
    client = running.client()
    running.aws.faults.install(SLOW_READS)
    small = {
        f"{speed}-{n}.pdf": bytes([n]) * 50_000 for n in range(3) for speed in ("slow", "fast")
    }
    large = {f"slow-{n}.bin": bytes([n]) * 9 * MIB for n in range(4)}
    jobs = [client.post({"prefix": client.put_sources(one)}) for one in (small, large, small)]
    key = client.upload_manifest(b'{"keys": ["absent.pdf"]}')

    def statuses() -> set[str]:
        items = client.dynamodb.scan(TableName=client.outputs["tableName"])["Items"]
        return {item["status"]["S"] for item in items}

    wait_for("a running job", lambda: "RUNNING" in statuses() or None)
    engine = running.engine.in_folder(packaged_project(tmp_path / "project"))
    engine.write_config(CONFIG)
    engine.run("stack", "select", engine.stack)
    upgraded = Deployment(engine, running.aws)
    lost = {
        (step.kind, step.name)
        for step in upgraded.plan()
        if step.operation in ("replace", "delete")
    }
    assert lost == set()
    assert "RUNNING" in statuses()
    upgraded.up()
    for job_id in jobs:
        assert client.finished(job_id)["status"] == "READY"
    assert client.event_of_manifest(key)["detail"]["status"] == "FAILED"
    engine.run("up", "--yes", "--expect-no-changes")

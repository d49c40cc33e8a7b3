"""Preview, up, up again, refresh, jobs and destroy, for each kind of stack."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local.deployment.engine import stack_config
from local.gateway.identities import LOCAL_USER
from tests.deployment.left_over import left_over
from tests.deployment.stack import Deployment, deployment, packaged_project
from tests.support.issuer import AUDIENCE, Issuer, running_issuer
from tests.support.project import ROOT

OURS = ("our-documents", "our-archives", "our-manifests")
"""Existing buckets."""

PROTECTED = {"buckets": 3, "tables": 1}


@dataclass(frozen=True)
class Case:
    """A stack. ``kept`` counts what ``pulumi destroy`` leaves in AWS."""

    name: str
    config: Mapping[str, Any]
    stack: str = "dev"
    kept: Mapping[str, int] = field(default_factory=dict)


def dev(**overrides: Any) -> dict[str, Any]:
    return {**stack_config("dev", {}), **overrides}


CASES = [
    Case("dev", dev()),
    Case(
        "prod",
        {**stack_config("prod", {}), "alarmEmail": "night@example.com"},
        stack="prod",
        kept={**PROTECTED},
    ),
    Case(
        "customer-key",
        dev(customerKey="create", protectData=True, forceDestroy=False),
        kept={**PROTECTED, "keys": 1},
    ),
    Case(
        "jwt-and-existing-buckets",
        dev(
            apiAuth="jwt",
            apiJwtAudience=[AUDIENCE],
            sourceBucket=OURS[0],
            targetBucket=OURS[1],
            manifestBucket=OURS[2],
        ),
        kept={"buckets": 3},
    ),
]


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    with running_issuer(tmp_path) as issuer:
        monkeypatch.setenv("SSL_CERT_FILE", str(issuer.certificate))
        yield issuer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_stack_from_preview_to_destroy(case: Case, tmp_path: Path, issuer: Issuer) -> None:
    config = dict(case.config)
    if config.get("apiAuth") == "jwt":
        config["apiJwtIssuer"] = issuer.url
    project = packaged_project(tmp_path / "project")
    with deployment(project, tmp_path / "state", config, case.stack) as deployed:
        if config.get("sourceBucket"):
            create_our_buckets(deployed)
        before = left_over(deployed.aws)
        planned = deployed.plan()
        assert {step.operation for step in planned} == {"create"}
        assert left_over(deployed.aws) == before

        deployed.up()
        for command in ("up", "refresh"):
            deployed.engine.run(command, "--yes", "--expect-no-changes")

        smoke(deployed, case.stack, issuer.token())

        destroy(deployed, is_protected=bool(config.get("protectData")))
        left = {kind: len(names) for kind, names in left_over(deployed.aws).items()}
        assert left == dict(case.kept)


def create_our_buckets(deployed: Deployment) -> None:
    """Create buckets, of which that for manifests sends its events to EventBridge."""
    s3 = deployed.aws.client("s3")
    for bucket in OURS:
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=OURS[2], VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=OURS[2], NotificationConfiguration={"EventBridgeConfiguration": {}}
    )


def smoke(deployed: Deployment, stack: str, token: str) -> None:
    """Run a job by each trigger. The command line gets the outputs from Pulumi."""
    done = subprocess.run(
        [sys.executable, "-m", "zipjobs_cli", "smoke", "--stack", stack, "--json"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            **deployed.engine.variables,
            "AWS_ENDPOINT_URL": deployed.aws.endpoint_url,
            "AWS_ACCESS_KEY_ID": LOCAL_USER,
            "AWS_SECRET_ACCESS_KEY": LOCAL_USER,
            "ZIPJOBS_TOKEN": token,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + "\n".join(deployed.log[-20:])
    result = json.loads(done.stdout)
    assert [job["trigger"] for job in result["jobs"]] == ["api", "manifest"]
    assert {job["status"] for job in result["jobs"]} == {"READY"}


def destroy(deployed: Deployment, *, is_protected: bool) -> None:
    """Destroy the stack. Protected resources have to be unprotected first."""
    if is_protected:
        refused = deployed.engine.attempt("destroy", "--yes")
        assert refused.returncode != 0
        assert "protected" in refused.stdout + refused.stderr
        deployed.engine.run("state", "unprotect", "--all", "--yes")
    deployed.engine.run("destroy", "--yes")

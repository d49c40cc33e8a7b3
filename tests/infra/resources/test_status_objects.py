"""Who may write status objects, and that they start no job."""

import json
from typing import Any

import pytest

from infra.functions.capabilities import STATUS_SUFFIX
from local.deployment.program import configuration, run_program
from local.errors import LocalError
from tests.infra.recorder import Recorder
from zipjobs.lifecycle.status_objects import SUFFIX

PLACE = f"arn:aws:s3:::archives/out/*{STATUS_SUFFIX}"
SETTINGS = {
    "targetBucket": "archives",
    "targetPrefix": "out/",
    "allowedTargets": ["elsewhere"],
    "manifestBucket": "inbox",
    "manifestPrefix": "drop/",
}


@pytest.fixture(scope="module")
def graph() -> Recorder:
    recorder = Recorder()
    run_program(recorder, "dev", configuration("dev", SETTINGS))
    return recorder


def written_by(graph: Recorder, function: str) -> set[str]:
    """Where a function may put objects, but for working objects."""
    policies = graph.of_type("aws:iam/rolePolicy:RolePolicy")
    policy = json.loads(policies[f"s3-zip-jobs-dev-{function}"]["policy"])
    return {
        place
        for statement in policy["Statement"]
        if "s3:PutObject" in statement["Action"]
        for place in statement["Resource"]
        if "/work/" not in place
    }


def environment(graph: Recorder, function: str) -> Any:
    functions = graph.of_type("aws:lambda/function:Function")
    return functions[f"s3-zip-jobs-dev-{function}"]["environment"]["variables"]


def test_both_sides_know_them_by_the_same_ending() -> None:
    assert STATUS_SUFFIX == SUFFIX


@pytest.mark.parametrize("function", ["cancel", "dead-letter", "reconciler"])
def test_who_ends_jobs_may_write_them_and_nothing_else(graph: Recorder, function: str) -> None:
    assert written_by(graph, function) == {PLACE}


def test_the_zipper_may_write_them_among_its_archives(graph: Recorder) -> None:
    assert "arn:aws:s3:::archives/out/*" in written_by(graph, "zipper")


@pytest.mark.parametrize("function", ["enqueue", "status"])
def test_who_ends_no_job_may_not(graph: Recorder, function: str) -> None:
    assert not any(
        place.startswith("arn:aws:s3:::archives") for place in written_by(graph, function)
    )


@pytest.mark.parametrize("function", ["cancel", "dead-letter", "reconciler", "zipper"])
def test_who_writes_them_is_told_where(graph: Recorder, function: str) -> None:
    told = environment(graph, function)
    names = ("TARGET_BUCKET", "TARGET_PREFIX", "MANIFEST_PREFIX")
    assert [told[name] for name in names] == ["archives", "out/", "drop/"]


@pytest.mark.parametrize(
    ("target_prefix", "manifest_prefix"),
    [("drop/", "drop/"), ("drop/zips/", "drop/"), ("drop/", "drop/here/")],
)
def test_they_never_stand_where_manifests_are_dropped(
    target_prefix: str, manifest_prefix: str
) -> None:
    prefixes = {"targetPrefix": target_prefix, "manifestPrefix": manifest_prefix}
    settings = {**SETTINGS, **prefixes, "targetBucket": "inbox"}
    with pytest.raises(LocalError, match="must not start jobs"):
        run_program(Recorder(), "dev", configuration("dev", settings))

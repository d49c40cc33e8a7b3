"""The permissions to write status objects."""

import json

import pytest

from infra.functions.capabilities import STATUS_SUFFIX
from local.deployment.program import configuration, run_program
from tests.infra.recorder import Recorder
from zipjobs.lifecycle.status_objects import SUFFIX

PLACE = f"arn:aws:s3:::archives/out/*{STATUS_SUFFIX}"
SETTINGS = {
    "targetBucket": "archives",
    "targetPrefix": "out/",
    "allowedTargets": ["elsewhere"],
    "manifestBucket": "inbox",
    "manifestPrefix": "in/",
}


@pytest.fixture(scope="module")
def graph() -> Recorder:
    recorder = Recorder()
    run_program(recorder, "dev", configuration("dev", SETTINGS))
    return recorder


def written_by(graph: Recorder, function: str) -> set[str]:
    """Return where a function can write objects, except for segments."""
    policies = graph.of_type("aws:iam/rolePolicy:RolePolicy")
    policy = json.loads(policies[f"s3-zip-jobs-dev-{function}"]["policy"])
    return {
        place
        for statement in policy["Statement"]
        if "s3:PutObject" in statement["Action"]
        for place in statement["Resource"]
        if "/work/" not in place
    }


def test_permissions_and_code_use_the_same_suffix() -> None:
    assert STATUS_SUFFIX == SUFFIX


@pytest.mark.parametrize("function", ["cancel", "dead-letter", "reconciler"])
def test_finalizing_functions_write_only_status_objects(graph: Recorder, function: str) -> None:
    assert written_by(graph, function) == {PLACE}


def test_the_zipper_can_write_status_objects(graph: Recorder) -> None:
    assert "arn:aws:s3:::archives/out/*" in written_by(graph, "zipper")


@pytest.mark.parametrize("function", ["enqueue", "status"])
def test_other_functions_cannot_write_status_objects(graph: Recorder, function: str) -> None:
    assert not any(
        place.startswith("arn:aws:s3:::archives") for place in written_by(graph, function)
    )

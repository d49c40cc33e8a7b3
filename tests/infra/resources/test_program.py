"""Settings that stop the program, and the use of existing buckets."""

import json
from typing import Any

import pytest

from infra.queues import manifest_pattern
from local.deployment.program import configuration, run_program
from local.errors import LocalError
from tests.infra.recorder import Recorder


def configured(**settings: Any) -> None:
    """Run the program with these settings."""
    run_program(Recorder(), "dev", configuration("dev", settings))


def test_a_setting_that_is_not_a_list_is_refused() -> None:
    """Pulumi refuses a value that is not JSON. The program refuses a string."""
    with pytest.raises(LocalError, match="apiCorsOrigins' value 'one' is not a valid"):
        configured(apiCorsOrigins="one")
    for value in ('"one"', "[1]"):
        with pytest.raises(LocalError, match="apiCorsOrigins is .* it must be a list of strings"):
            configured(apiCorsOrigins=value)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(LocalError, match=r"apiAuht.*apiAuth"):
        configured(apiAuht="none")


def test_named_buckets_are_used_and_not_created() -> None:
    recorder = Recorder()
    named = {"sourceBucket": "my-documents", "targetBucket": "my-zips"}
    outputs = run_program(recorder, "dev", configuration("dev", named))
    assert outputs["sourceBucket"] == "my-documents"
    assert outputs["targetBucket"] == "my-zips"
    assert set(recorder.of_type("aws:s3/bucket:Bucket")) == {"s3-zip-jobs-dev-manifests"}


def test_a_target_must_not_overlap_the_stacks_manifests() -> None:
    made = {"targetBucket": "s3-zip-jobs-dev-manifests", "targetPrefix": "manifests/zips/"}
    with pytest.raises(Exception, match="must not start jobs"):
        configured(**made)


def test_sources_in_created_buckets_are_checked() -> None:
    with pytest.raises(Exception, match="allowedSources.*overlaps the target"):
        configured(allowedSources=["s3-zip-jobs-dev-target"])
    with pytest.raises(Exception, match="stores the requests of all callers"):
        configured(allowedSources=["s3-zip-jobs-dev-manifests/work/"])


@pytest.mark.parametrize(
    ("prefix", "wildcard"),
    [("manifests/", "manifests/*.json"), ("a*b\\c/", "a\\*b\\\\c/*.json")],
)
def test_the_manifest_rule_escapes_the_prefix(prefix: str, wildcard: str) -> None:
    pattern = json.loads(manifest_pattern("bucket", prefix))
    assert pattern["detail"]["object"]["key"] == [{"wildcard": wildcard}]

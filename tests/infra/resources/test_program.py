"""What stops the Pulumi program, and what the embedded AWS says of one that it cannot play."""

import json
from typing import Any

import pulumi
import pytest

from infra.queue import manifest_pattern
from local.deployment.declarations import Declarations, DeclaredFunction, DeclaredRoute
from local.deployment.program import configuration, run_program
from local.deployment.provider import EmbeddedProvider
from local.errors import LocalError
from local.gateway.http_api import HttpApi
from local.runtime.functions import Function
from tests.infra.recorder import Recorder


def configured(**settings: Any) -> None:
    """Run the program with these settings. Raises what it raises."""
    run_program(Recorder(), "dev", configuration("dev", settings))


def test_a_list_that_is_none_is_named() -> None:
    """By Pulumi if it is no JSON. A string would be a list of its characters."""
    with pytest.raises(LocalError, match="apiCorsOrigins' value 'one' is not a valid"):
        configured(apiCorsOrigins="one")
    for value in ('"one"', "[1]"):
        with pytest.raises(LocalError, match="apiCorsOrigins is .* it must be a list of strings"):
            configured(apiCorsOrigins=value)


def test_a_setting_that_does_not_exist_is_named() -> None:
    with pytest.raises(LocalError, match=r"apiAuht.*apiAuth"):
        configured(apiAuht="none")


def test_named_buckets_are_used_and_not_created() -> None:
    recorder = Recorder()
    named = {"sourceBucket": "my-documents", "targetBucket": "my-zips"}
    outputs = run_program(recorder, "dev", configuration("dev", named))
    assert outputs["sourceBucket"] == "my-documents"
    assert outputs["targetBucket"] == "my-zips"
    assert set(recorder.of_type("aws:s3/bucket:Bucket")) == {"s3-zip-jobs-dev-manifests"}


def test_overlapping_manifests_and_targets_stop_the_program() -> None:
    shared = {"targetBucket": "one", "manifestBucket": "one", "manifestPrefix": "zips/"}
    with pytest.raises(Exception, match="manifestPrefix"):
        configured(**shared)


def test_a_target_in_the_bucket_that_the_stack_made_for_manifests_stops_the_program_too() -> None:
    made = {"targetBucket": "s3-zip-jobs-dev-manifests", "targetPrefix": "manifests/zips/"}
    with pytest.raises(Exception, match="must not start jobs"):
        configured(**made)


def test_a_source_in_a_bucket_that_the_stack_creates_is_checked_too() -> None:
    with pytest.raises(Exception, match="allowedSources.*overlaps the target"):
        configured(allowedSources=["s3-zip-jobs-dev-target"])
    with pytest.raises(Exception, match="stores the requests of all callers"):
        configured(allowedSources=["s3-zip-jobs-dev-manifests/work/"])


@pytest.mark.parametrize(
    ("prefix", "wildcard"),
    [("manifests/", "manifests/*.json"), ("a*b\\c/", "a\\*b\\\\c/*.json")],
)
def test_the_rule_takes_the_prefix_literally(prefix: str, wildcard: str) -> None:
    pattern = json.loads(manifest_pattern("bucket", prefix))
    assert pattern["detail"]["object"]["key"] == [{"wildcard": wildcard}]


# What the embedded AWS says of a declaration that it cannot play.


def test_a_resource_type_that_is_not_played_is_named() -> None:
    provider = EmbeddedProvider("http://127.0.0.1:1", "us-east-1", "http://127.0.0.1:2")
    args = pulumi.runtime.MockResourceArgs("aws:ec2/vpc:Vpc", "net", {}, custom=True)
    with pytest.raises(LocalError, match=r"aws:ec2/vpc:Vpc \(net\)"):
        provider.new_resource(args)


def test_a_call_that_is_not_played_is_named() -> None:
    provider = EmbeddedProvider("http://127.0.0.1:1", "us-east-1", "http://127.0.0.1:2")
    args = pulumi.runtime.MockCallArgs("aws:ec2/getVpc:getVpc", {}, "")
    with pytest.raises(LocalError, match=r"aws:ec2/getVpc:getVpc"):
        provider.call(args)


def test_a_route_that_leads_to_no_function_is_named() -> None:
    declarations = Declarations(routes=[DeclaredRoute("GET /x", "integrations/none", "NONE")])
    with pytest.raises(LocalError, match="GET /x"):
        HttpApi(declarations, {}, "us-east-1", lambda name, line: None)


@pytest.mark.parametrize("handler", ["handlers.nope.handler", "handlers.status.nope"])
def test_a_handler_that_does_not_resolve_is_named(handler: str) -> None:
    declared = DeclaredFunction("broken", handler, "arn:role", 3, 512, {}, "group")
    function = Function(declared, {}, lambda name, line: None)
    with pytest.raises(LocalError, match=rf"broken.*{handler}.*nope"):
        function.start()
    function.stop()

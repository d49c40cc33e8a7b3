"""Errors about declarations that the embedded AWS does not support."""

import pulumi
import pytest

from local.deployment.declarations import Declarations, DeclaredFunction, DeclaredRoute
from local.deployment.mocks import EmbeddedProvider
from local.deployment.resources import Resources
from local.errors import LocalError
from local.gateway.http_api import HttpApi
from local.runtime.execution import ExecutionEnvironment, LogSink
from local.runtime.functions import Function


def embedded_provider() -> EmbeddedProvider:
    return EmbeddedProvider(Resources("http://127.0.0.1:1", "us-east-1", "http://127.0.0.1:2"))


def test_an_unsupported_property_is_named() -> None:
    inputs = {"rule": {"objectOwnership": "BucketOwnerEnforced", "owner": "me"}}
    kind = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    args = pulumi.runtime.MockResourceArgs(kind, "owned", inputs, custom=True)
    with pytest.raises(LocalError, match=r"support rule.owner of .* \(owned\)"):
        embedded_provider().new_resource(args)


def test_an_unsupported_resource_type_is_named() -> None:
    provider = embedded_provider()
    args = pulumi.runtime.MockResourceArgs("aws:ec2/vpc:Vpc", "net", {}, custom=True)
    with pytest.raises(LocalError, match=r"aws:ec2/vpc:Vpc \(net\)"):
        provider.new_resource(args)


def test_an_unsupported_call_is_named() -> None:
    provider = embedded_provider()
    args = pulumi.runtime.MockCallArgs("aws:ec2/getVpc:getVpc", {}, "")
    with pytest.raises(LocalError, match=r"aws:ec2/getVpc:getVpc"):
        provider.call(args)


def test_a_route_without_a_function_is_named() -> None:
    declarations = Declarations(routes={"r": DeclaredRoute("GET /x", "integrations/none", "NONE")})
    with pytest.raises(LocalError, match="GET /x"):
        HttpApi(declarations, {}, "us-east-1", lambda name, line: None)


def launched(declared: DeclaredFunction, log: LogSink) -> ExecutionEnvironment:
    return ExecutionEnvironment(declared, {}, log)


@pytest.mark.parametrize("handler", ["handlers.nope.handler", "handlers.status.nope"])
def test_a_missing_handler_is_named(handler: str) -> None:
    declared = DeclaredFunction("broken", handler, "arn:role", 3, 512, {}, "group")
    function = Function(declared, lambda name, line: None, launched)
    with pytest.raises(LocalError, match=rf"broken.*{handler}.*nope"):
        function.start()
    function.stop()

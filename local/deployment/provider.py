"""Serves Pulumi's provider protocol for the package ``aws``: what pulumi-aws is to AWS.

"Provider protocol reference" in Pulumi's developer documentation describes the calls. An engine
attaches to it with ``PULUMI_DEBUG_PROVIDERS=aws:PORT``.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from local.deployment.resources import Resources
from local.errors import LocalError

MAX_MESSAGE_BYTES = 400 * 1024 * 1024
"""The limit of Pulumi's engine ("MaxRPCMessageSize" in its source)."""

THREADS = 16


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Manages ``resources``. ``apply`` runs what is declared, after each change.

    ``before_create`` gets the type and the logical name of each resource before it is created. To
    refuse it, it raises LocalError.
    """

    def __init__(
        self,
        resources: Resources,
        region: str,
        apply: Callable[[], None],
        before_create: Callable[[str, str], None] = lambda kind, name: None,
    ) -> None:
        self._resources = resources
        self._region = region
        self._apply = apply
        self._before_create = before_create

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802  (the protocol's)
        return plugin_pb2.PluginInfo(version=version("pulumi-aws"))

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.ProviderHandshakeResponse()

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        region = MessageToDict(request.args).get("region", self._region)
        if region != self._region:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"The embedded AWS runs in {self._region}, and aws:region is {region}.",
            )
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        def call() -> Any:
            found = self._resources.call(request.tok, MessageToDict(request.args))
            response = provider_pb2.InvokeResponse()
            getattr(response, "return").CopyFrom(_struct(found))  # a keyword of Python
            return response

        return _reported(call, context)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Add the name that the resource had, or a new one."""
        old, new = MessageToDict(request.olds), MessageToDict(request.news)
        new = {key: value for key, value in new.items() if value is not None}

        def check() -> Any:
            named = self._resources.schema(request.type, request.name).named
            if named in old and named not in new:
                new[named] = old[named]
            suffix = request.randomSeed.hex()
            inputs = self._resources.check(request.type, request.name, new, suffix)
            return provider_pb2.CheckResponse(inputs=_struct(inputs))

        return _reported(check, context)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        old, new = MessageToDict(request.old_inputs), MessageToDict(request.news)
        schema = self._resources.schema(request.type, request.name)
        changed = {key for key in old | new if old.get(key) != new.get(key)}
        changes = provider_pb2.DiffResponse.DIFF_SOME if changed else None
        given_name = schema.named and not str(new[schema.named]).startswith(f"{request.name}-")
        return provider_pb2.DiffResponse(
            changes=changes or provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted(changed),
            replaces=schema.replaced_by(changed),
            # A name that the program gives is taken as long as the old resource exists.
            deleteBeforeReplace=bool(given_name),
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        inputs = MessageToDict(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)

        def create() -> Any:
            self._before_create(request.type, request.name)
            resource_id, outputs = self._resources.create(request.type, inputs)
            properties = {**inputs, **outputs}
            try:
                self._apply()
            except LocalError:
                self._resources.delete(request.type, resource_id, properties)
                raise
            return provider_pb2.CreateResponse(id=resource_id, properties=_struct(properties))

        return _reported(create, context)

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the resource as it was left, if it still exists."""

        def read() -> Any:
            properties = MessageToDict(request.properties)
            if not self._resources.exists(request.type, request.id, properties):
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=request.id, properties=request.properties, inputs=request.inputs
            )

        return _reported(read, context)

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        old, old_inputs, new = (
            MessageToDict(properties)
            for properties in (request.olds, request.old_inputs, request.news)
        )
        outputs = {key: value for key, value in old.items() if key not in old_inputs}

        def update() -> Any:
            if not request.preview:
                self._resources.update(request.type, request.id, old, new)
                self._apply()
            return provider_pb2.UpdateResponse(properties=_struct({**outputs, **new}))

        return _reported(update, context)

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        def delete() -> Any:
            properties = MessageToDict(request.properties)
            self._resources.delete(request.type, request.id, properties)
            self._apply()
            return Empty()

        return _reported(delete, context)

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        return Empty()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        return Empty()


@contextmanager
def serving_provider(provider: Provider, port: int = 0) -> Iterator[int]:
    """Serve the provider on loopback while the block runs. Yield its port."""
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    server = grpc.server(ThreadPoolExecutor(THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield bound
    finally:
        server.stop(grace=None).wait()


def _reported(operation: Callable[[], Any], context: Any) -> Any:
    """Return the operation's response, or fail the call with its error."""
    try:
        return operation()
    except (LocalError, ClientError, BotoCoreError) as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _struct(properties: Mapping[str, Any]) -> Struct:
    return ParseDict(properties, Struct())

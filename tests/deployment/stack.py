"""A stack that ``pulumi up`` manages, in this process."""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.moto_api._internal.models import moto_api_backend

from infra.functions.runtime import PACKAGE_ZIP
from local.deployment.engine import Engine
from local.deployment.packages import OWN_PACKAGES, Packages
from local.deployment.provider import Provider, serving_provider
from local.stack import EmbeddedAws, running_aws
from tests.e2e.stack import Client
from tests.support.project import ROOT, copy_project

Refusal = Callable[[str, str], None]
"""Takes the type and name of a resource that is to be created, and raises LocalError."""


@dataclass(frozen=True)
class Step:
    """A step of a plan: ``operation`` is Pulumi's, ``kind`` a type such as ``sqs/queue:Queue``."""

    operation: str
    kind: str
    name: str


@dataclass
class Deployment:
    """An embedded AWS, and a stack that is deployed to it. ``log`` are the functions' lines."""

    engine: Engine
    aws: EmbeddedAws
    log: list[str] = field(default_factory=list)

    def up(self, *arguments: str) -> str:
        """Run ``pulumi up``. Raises LocalError if it fails."""
        return self.engine.run("up", "--yes", "--skip-preview", *arguments)

    def plan(self) -> list[Step]:
        """Return the steps of ``pulumi preview`` that change a resource of AWS."""
        preview = json.loads(self.engine.run("preview", "--json"))
        found = []
        for step in preview["steps"]:
            kind, name = step["urn"].split("::")[-2:]
            kind = kind.rpartition("$")[2]
            if step["op"] != "same" and kind.startswith("aws:"):
                found.append(Step(step["op"], kind.removeprefix("aws:"), name))
        return found

    def client(self) -> Client:
        """Return a client of the stack as it is deployed now."""
        return Client(self.aws.stack(self.engine.outputs()), self.log)


@contextmanager
def deployment(
    project: Path,
    state: Path,
    config: Mapping[str, Any],
    stack: str = "dev",
    before_create: Refusal = lambda kind, name: None,
) -> Iterator[Deployment]:
    """Run an empty AWS, and create a stack of the project in it, which is not deployed yet."""
    log: list[str] = []
    packages = Packages()
    with ExitStack() as cleanup:
        moto_api_backend.reset()  # its state is that of the process
        cleanup.callback(moto_api_backend.reset)
        aws = cleanup.enter_context(
            running_aws(
                config.get("aws:region", "us-east-1"),
                log=lambda function, line: log.append(f"[{function}] {line}"),
                code_folder=packages.folder,
            )
        )
        provider = Provider(aws.resources, aws.region, aws.apply, before_create)
        port = cleanup.enter_context(serving_provider(provider))
        engine = Engine(project, state, port, stack)
        engine.create_stack(config)
        yield Deployment(engine, aws, log)


def packaged_project(folder: Path) -> Path:
    """Copy the project to a new folder, with the package of its functions. Return the folder."""
    project = copy_project(folder)
    package_functions(project)
    return project


def package_functions(project: Path) -> None:
    """Write the package of a project's functions.

    It has no libraries, which the embedded AWS ignores: see ``local.deployment.packages``.
    """
    path = project / PACKAGE_ZIP.relative_to(ROOT)
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as package:
        for folder in OWN_PACKAGES:
            for file in sorted((project / folder).rglob("*")):
                package.write(file, file.relative_to(project))

"""A project that ``pulumi new`` makes from this one, and the configuration that the CLI checks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployment.engine import stack_config
from tests.deployment.stack import Deployment, deployment, packaged_project


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packaged_project(tmp_path_factory.mktemp("template") / "s3-zip-jobs")


@pytest.fixture(scope="module")
def stack(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return a stack that is not deployed."""
    state = tmp_path_factory.mktemp("state")
    with deployment(template, state, stack_config("dev", {})) as stack:
        yield stack


def test_pulumi_new_makes_a_project_that_can_be_deployed(
    stack: Deployment, template: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "my-archives"
    folder.mkdir()
    engine = stack.engine.in_folder(folder)
    engine.run(
        *("new", str(template), "--yes", "--generate-only"),
        *("--name", "my-archives", "--description", "Archives", "--stack", "prod"),
    )
    engine.run("stack", "init", "prod")
    engine.run("config", "set", "alarmEmail", "night@example.com")
    engine.run("up", "--yes", "--skip-preview")
    outputs = engine.outputs()
    assert outputs["tableName"].startswith("s3-zip-jobs-prod-jobs-")
    table = stack.aws.client("dynamodb").describe_table(TableName=outputs["tableName"])["Table"]
    assert table["DeletionProtectionEnabled"], "the settings of Pulumi.prod.yaml apply"
    assert "protected" in engine.attempt("destroy", "--yes").stdout
    engine.run("state", "unprotect", "--all", "--yes")
    engine.run("destroy", "--yes")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("zipperMemoryMb", "a lot", "zipperMemoryMb"),
        ("apiDocs", "perhaps", "apiDocs"),
        ("allowedSources", {"a": "b"}, "allowedSources"),
        ("zipperMemory", 2048, "Did you mean zipperMemoryMb?"),
    ],
)
def test_the_cli_refuses_other_types_and_unknown_names(
    name: str, value: object, message: str, stack: Deployment
) -> None:
    stack.engine.write_config({**stack_config("dev", {}), name: value})
    done = stack.engine.attempt("preview")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr

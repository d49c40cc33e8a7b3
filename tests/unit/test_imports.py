"""Who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = ("handlers", "zipjobs", "infra", "local", "zipjobs_cli", "bench", "tools")
NOT_SHIPPED = ("infra", "local", "zipjobs_cli", "bench", "tools", "pulumi", "pulumi_aws", "moto")


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def offenders(paths: list[Path], *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imports(path)
        if any(name == module or name.startswith(f"{module}.") for module in forbidden)
    ]


def test_what_runs_in_lambda_knows_nothing_of_infrastructure_or_tools() -> None:
    assert offenders(modules("handlers", "zipjobs"), *NOT_SHIPPED) == []


def test_the_package_knows_nothing_of_its_handlers() -> None:
    assert offenders(modules("zipjobs"), "handlers") == []


def test_the_command_line_is_installed_alone() -> None:
    """Without the Pulumi program, the handlers and the embedded AWS."""
    assert (
        offenders(
            modules("zipjobs_cli"), "handlers", "infra", "local", "bench", "tools", "pulumi", "moto"
        )
        == []
    )


LAYERS = (
    ("model", "errors", "telemetry", "zipformat"),
    ("s3",),
    ("archive", "requests"),
    ("settings", "jobs"),
    ("lifecycle",),
    ("worker",),
    ("wiring",),
    ("api",),
)
"""The parts of ``zipjobs``, from the lowest to the highest: none imports one above it."""

INDEPENDENT = ({"archive", "requests"}, {"archive", "jobs"})
"""Parts that do not know each other."""


def part_of(name: str) -> str:
    """The part of ``zipjobs`` that a module belongs to."""
    return name.split(".")[1]


def imports_between_parts() -> Iterator[tuple[str, str, str]]:
    for path in modules("zipjobs"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in imports(path):
            if name.startswith("zipjobs.") and part_of(name) != part_of(module):
                yield module, part_of(module), part_of(name)


def test_nothing_imports_upward() -> None:
    level = {part: number for number, parts in enumerate(LAYERS) for part in parts}
    upward = [
        f"{module} imports {lower}"
        for module, part, lower in imports_between_parts()
        if level[lower] > level[part] and part != "api"  # types of what the routes get
    ]
    assert upward == []


def test_parts_that_do_not_know_each_other_do_not() -> None:
    meeting = [
        f"{module} imports {other}"
        for module, part, other in imports_between_parts()
        if {part, other} in INDEPENDENT
    ]
    assert meeting == []


def test_there_are_no_import_cycles() -> None:
    """Not even between modules that import each other's types only."""
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): set(imports(path))
        for path in modules(*TOP_LEVEL)
    }
    graph = {module: names & graph.keys() for module, names in graph.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names one


def test_lifecycle_loads_nothing_that_makes_archives() -> None:
    allowed = {"zipjobs.archive.receipt", "zipjobs.s3.source", "zipjobs.s3.target"}
    allowed |= {"zipjobs.s3.upload_cleanup"}
    foreign = {
        name
        for path in modules("zipjobs/lifecycle")
        for name in imports(path)
        if name.startswith(("zipjobs.archive", "zipjobs.worker", "zipjobs.s3"))
    }
    assert foreign <= allowed


def test_routes_know_nothing_of_what_they_work_with() -> None:
    """But for its type."""
    for path in modules("zipjobs/api"):
        names = {
            node.module or ""
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.ImportFrom)
        }
        assert not [name for name in names if name.startswith("zipjobs.wiring")], path


def test_infra_imports_only_pulumi_and_itself() -> None:
    allowed = {"infra", "pulumi", "pulumi_aws", *sys.stdlib_module_names}
    foreign = {name for path in modules("infra") for name in imports(path)}
    assert {name for name in foreign if name.partition(".")[0] not in allowed} == set()


def test_only_wiring_creates_clients() -> None:
    wiring = set(modules("zipjobs/wiring"))
    paths = [path for path in modules("handlers", "zipjobs") if path not in wiring]
    assert [path for path in paths if "boto3.client(" in path.read_text()] == []
    assert offenders(paths, "boto3.session") == []


def test_only_settings_reads_the_environment() -> None:
    paths = [path for path in modules("handlers", "zipjobs") if path.name != "settings.py"]
    assert [path for path in paths if "os.environ" in path.read_text()] == []


@pytest.mark.parametrize("folder", TOP_LEVEL)
def test_every_folder_says_what_it_is(folder: str) -> None:
    for package in (ROOT / folder).rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(package.read_text())), package


def test_importing_a_handler_does_nothing() -> None:
    """No client, no environment: an import in a bare process succeeds."""
    for path in modules("handlers"):
        if path.stem != "__init__":
            subprocess.run(
                [sys.executable, "-c", f"import handlers.{path.stem}"],
                cwd=ROOT,
                env={"PATH": "/usr/bin:/bin"},
                check=True,
            )

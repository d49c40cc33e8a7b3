"""The import rules of docs/architecture.md."""

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


def test_lambda_code_does_not_import_infrastructure_or_tools() -> None:
    assert offenders(modules("handlers", "zipjobs"), *NOT_SHIPPED) == []


def test_zipjobs_does_not_import_handlers() -> None:
    assert offenders(modules("zipjobs"), "handlers") == []


def test_the_command_line_imports_only_zipjobs() -> None:
    """The installed package contains nothing else."""
    not_installed = ("handlers", "infra", "local", "bench", "tools", "pulumi", "moto")
    assert offenders(modules("zipjobs_cli"), *not_installed) == []


LAYERS = (
    ("model", "errors", "unreadable", "telemetry", "zipformat"),
    ("s3",),
    ("archive", "requests"),
    ("settings", "jobs"),
    ("lifecycle",),
    ("worker",),
    ("wiring",),
    ("api",),
)
"""The packages of ``zipjobs``, lowest first. No package imports a higher one."""

INDEPENDENT = ({"archive", "requests"}, {"archive", "jobs"})
"""Pairs of packages that do not import each other."""


def package_of(name: str) -> str:
    """Return the package of ``zipjobs`` that contains a module."""
    return name.split(".")[1]


def imports_between_packages() -> Iterator[tuple[str, str, str]]:
    for path in modules("zipjobs"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in imports(path):
            if name.startswith("zipjobs.") and package_of(name) != package_of(module):
                yield module, package_of(module), package_of(name)


def test_packages_import_only_lower_packages() -> None:
    level = {package: number for number, packages in enumerate(LAYERS) for package in packages}
    upward = [
        f"{module} imports {other}"
        for module, package, other in imports_between_packages()
        if level[other] > level[package]
    ]
    assert upward == []


def test_independent_packages_do_not_import_each_other() -> None:
    found = [
        f"{module} imports {other}"
        for module, package, other in imports_between_packages()
        if {package, other} in INDEPENDENT
    ]
    assert found == []


def test_imports_have_no_cycles() -> None:
    """Imports of types count, too."""
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): set(imports(path))
        for path in modules(*TOP_LEVEL)
    }
    graph = {module: names & graph.keys() for module, names in graph.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError with a cycle


def test_lifecycle_does_not_import_the_archive_engine() -> None:
    allowed = {"zipjobs.archive.receipt", "zipjobs.s3.source", "zipjobs.s3.target"}
    allowed |= {"zipjobs.s3.errors", "zipjobs.s3.retry", "zipjobs.s3.upload_cleanup"}
    foreign = {
        name
        for path in modules("zipjobs/lifecycle")
        for name in imports(path)
        if name.startswith(("zipjobs.archive", "zipjobs.worker", "zipjobs.s3"))
    }
    assert foreign <= allowed


def test_routes_import_wiring_only_for_type_checking() -> None:
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
def test_every_package_has_a_docstring(folder: str) -> None:
    for package in (ROOT / folder).rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(package.read_text())), package


def test_importing_a_handler_has_no_side_effects() -> None:
    """The import succeeds without environment variables."""
    for path in modules("handlers"):
        if path.stem != "__init__":
            subprocess.run(
                [sys.executable, "-c", f"import handlers.{path.stem}"],
                cwd=ROOT,
                env={"PATH": "/usr/bin:/bin"},
                check=True,
            )

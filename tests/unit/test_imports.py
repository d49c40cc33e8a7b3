"""Who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = ("handlers", "zipjobs", "infra", "local", "cli")
NOT_SHIPPED = ("infra", "local", "cli", "pulumi", "pulumi_aws", "moto")


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
    assert offenders(modules("cli"), "handlers", "infra", "local", "pulumi", "moto") == []


def test_archive_has_never_heard_of_jobs_nor_jobs_of_archives() -> None:
    assert offenders(modules("zipjobs/archive"), "zipjobs.jobs") == []
    assert offenders(modules("zipjobs/jobs"), "zipjobs.archive") == []


def test_only_running_and_ending_join_the_two() -> None:
    joining = {
        path.relative_to(ROOT / "zipjobs").parts[0]
        for path in (ROOT / "zipjobs").rglob("*.py")
        if offenders([path], "zipjobs.archive") and offenders([path], "zipjobs.jobs")
    }
    assert joining == {"running", "ending"}


def test_ending_knows_of_archives_only_where_they_stand_and_how_to_take_them_away() -> None:
    known = ("leftovers", "receipt", "source", "target")
    allowed = {f"zipjobs.archive.{name}" for name in known}
    known_files = [ROOT / "zipjobs" / "archive" / f"{name}.py" for name in known]
    paths = [*modules("zipjobs/ending"), *known_files]
    foreign = {
        name
        for path in paths
        for name in imports(path)
        if name.startswith(("zipjobs.archive", "zipjobs.running"))
    }
    assert foreign <= allowed


def test_routes_know_nothing_of_what_they_work_with() -> None:
    """But for its type."""
    typed = ("zipjobs.wiring", "zipjobs.ending.wiring")
    for path in modules("zipjobs/api"):
        names = {
            node.module
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.ImportFrom)
        }
        assert not names & set(typed), path


def test_infra_imports_only_pulumi_and_itself() -> None:
    allowed = {"infra", "pulumi", "pulumi_aws", *sys.stdlib_module_names}
    foreign = {name for path in modules("infra") for name in imports(path)}
    assert {name for name in foreign if name.partition(".")[0] not in allowed} == set()


def test_only_wiring_creates_clients() -> None:
    paths = [path for path in modules("handlers", "zipjobs") if path.name != "wiring.py"]
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

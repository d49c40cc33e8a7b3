"""The Lambda package: its contents, size, architecture and reproducibility."""

import os
import re
import subprocess
import zipfile
from hashlib import sha256
from importlib.metadata import distributions, version
from itertools import accumulate
from pathlib import Path

import pytest

from infra.functions.runtime import RUNTIME
from tests.support.environment import FUNCTIONS_ENVIRONMENT
from tools.package import LOCK, MACHINES, SERVICES, installed_python, pack, stage

ROOT = Path(__file__).resolve().parents[3]
HANDLERS = sorted(path.stem for path in (ROOT / "handlers").glob("[a-z]*.py"))
VERSION, PYTHON = installed_python()
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[os.uname().machine]
REQUIREMENTS = ROOT / "handlers" / "requirements.txt"
MOST_BYTES = 20_000_000

UNCHECKED_HASH = 0b01
"""A .pyc's second word: "Deterministic pycs", PEP 552."""

ELF_MACHINES = {"arm64": 183, "x86_64": 62}


def elf_machine(binary: Path) -> int:
    """Return the field ``e_machine`` of an ELF file."""
    header = binary.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    return int.from_bytes(header[18:20], "little")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package for this machine, and for the runtime's Python if it is installed."""
    folder = tmp_path_factory.mktemp("package") / "lambda"
    stage(folder, VERSION, MACHINE)
    return folder


def run(package: Path, script: str, environment: dict[str, str] | None = None) -> str:
    """Run a script that can import only the package and the standard library. Return its output."""
    only = f"import sys; sys.path.insert(0, {str(package)!r})"
    return subprocess.run(
        [PYTHON, "-I", "-S", "-B", "-c", f"{only}\n{script}"],
        check=True,
        cwd="/",
        env=environment or {},
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


@pytest.mark.parametrize("handler", HANDLERS)
def test_every_handler_imports_only_from_the_package(package: Path, handler: str) -> None:
    script = (
        f"import handlers.{handler} as h, zipjobs, pydantic; assert callable(h.handler); "
        f"assert all(m.__file__.startswith({str(package)!r}) for m in (h, zipjobs, pydantic))"
    )
    run(package, script)


ALL_FUNCTIONS = {
    *("zipjobs.errors", "zipjobs.unreadable", "zipjobs.model", "zipjobs.settings"),
    "zipjobs.telemetry",
    *("zipjobs.jobs", "zipjobs.requests", "zipjobs.s3.bucket_owners", "zipjobs.s3.errors"),
    *("zipjobs.s3.source", "zipjobs.s3.target"),
    *("zipjobs.zipformat.file_names", "aws_lambda_powertools", "botocore", "jmespath"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
}
"""Powertools imports botocore and JMESPath."""

CALLS_AWS = {
    *("zipjobs.wiring.api", "zipjobs.worker.usage", "zipjobs.s3.retry"),
    *("boto3", "s3transfer", "urllib3", "dateutil", "six"),
}
HAS_ROUTES = {"zipjobs.api", "aws_lambda_powertools.event_handler"}
ENDS_JOBS = {
    *("zipjobs.lifecycle", "zipjobs.wiring.lifecycle"),
    *("zipjobs.s3.upload_cleanup", "zipjobs.archive.receipt"),
}
MAKES_ARCHIVES = {
    *("zipjobs.worker", "zipjobs.archive", "zipjobs.s3", "zipjobs.zipformat"),
    *("zipjobs.wiring.worker", "zipjobs.wiring.gc_tuning"),
    *("isal", "pycurl", "zipstream"),
}

LOADS = {
    "enqueue": ALL_FUNCTIONS | CALLS_AWS | HAS_ROUTES,
    "status": ALL_FUNCTIONS | CALLS_AWS | HAS_ROUTES,
    "cancel": ALL_FUNCTIONS | CALLS_AWS | HAS_ROUTES | ENDS_JOBS,
    "docs": ALL_FUNCTIONS | HAS_ROUTES,
    "zipper": ALL_FUNCTIONS | CALLS_AWS | ENDS_JOBS | MAKES_ARCHIVES,
    "dead_letter": ALL_FUNCTIONS | CALLS_AWS | ENDS_JOBS,
    "reconciler": ALL_FUNCTIONS | CALLS_AWS | ENDS_JOBS,
}
"""The packages and modules that each function loads. A package stands for all of its modules."""

PARTS = set().union(*LOADS.values())


def part_of(module: str) -> str | None:
    """Return the innermost part that contains a module, or None for a package of parts."""
    if any(part.startswith(f"{module}.") for part in PARTS):
        return None
    parents = accumulate(module.split("."), "{}.{}".format)
    return next((part for part in reversed([*parents]) if part in PARTS), module)


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_function_loads_only_necessary_packages(package: Path, handler: str) -> None:
    script = f"import handlers.{handler}\n" + (
        "for name, module in sys.modules.items():\n"
        f"    if (getattr(module, '__file__', None) or '').startswith({str(package)!r}):\n"
        "        print(name)"
    )
    modules = set(run(package, script).split())
    parts = {part_of(name) for name in modules if not name.startswith("handlers")} - {None}
    assert parts == LOADS[handler]


def test_bytecode_is_shipped_if_the_runtimes_python_exists(package: Path) -> None:
    """The bytecode is valid for the source without a check."""
    tag = VERSION.replace("python3.", "cpython-3")
    for source in package.rglob("*.py"):
        compiled = source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == UNCHECKED_HASH, source


@pytest.mark.parametrize(
    "root",
    [
        *(
            "wiring.api.enqueue_dependencies",
            "wiring.api.status_dependencies",
            "wiring.worker.zipper_dependencies",
        ),
        *(
            "wiring.lifecycle.cancel_dependencies",
            "wiring.lifecycle.finalizer",
            "wiring.lifecycle.reconciler",
        ),
    ],
)
def test_the_package_has_the_services_that_functions_call(package: Path, root: str) -> None:
    """Clients are created from the shipped descriptions of services."""
    module, _, function = f"zipjobs.{root}".rpartition(".")
    run(package, f"from {module} import {function}; {function}()", FUNCTIONS_ENVIRONMENT)


def test_only_the_called_services_are_shipped(package: Path) -> None:
    roots = sorted((ROOT / "zipjobs" / "wiring").glob("*.py"))
    text = "".join(root.read_text() for root in roots)
    called = set(re.findall(r'client\("(\w+)"', text))
    assert called | {"sts"} == set(SERVICES)
    data = package / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == set(SERVICES)


def test_swagger_ui_is_shipped_with_its_license_and_notice(package: Path) -> None:
    licenses = package / "licenses" / "swagger-ui"
    text = (licenses / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "SmartBear Software" in (licenses / "NOTICE").read_text()
    assert "DOMPurify" in (licenses / "swagger-ui-bundle.js.LICENSE.txt").read_text()


def test_the_notice_names_the_shipped_version_of_swagger_ui(package: Path) -> None:
    """After an update of Powertools, copy the three files from the npm package swagger-ui-dist."""
    [bundle] = package.rglob("swagger-ui-bundle.min.js")
    [shipped] = re.findall(r'PACKAGE_VERSION:"([\d.]+)"', bundle.read_text())
    notice = (package / "licenses" / "swagger-ui" / "NOTICE").read_text()
    assert f"Swagger UI {shipped}," in notice


def locked() -> dict[str, str]:
    """Return the versions in ``handlers/requirements.lock`` by name."""
    pins = re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK.read_text(), re.MULTILINE)
    return dict(pins)


def installed(folder: Path) -> dict[str, str]:
    """Return the versions of the distributions in a folder by name."""
    found = distributions(path=[str(folder)])
    return {re.sub(r"[-_.]+", "-", one.name).lower(): one.version for one in found}


def test_shipped_packages_have_the_locked_versions(package: Path) -> None:
    assert installed(package) == locked()


def test_the_tests_run_with_the_locked_versions() -> None:
    """``make`` installs the same versions for the tests."""
    here = {name: version(name) for name in locked()}
    assert here == locked()


def test_two_builds_have_the_same_bytes(
    package: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = tmp_path_factory.mktemp("again") / "lambda"
    stage(again, VERSION, MACHINE)
    pack(package, tmp_path / "one.zip")
    pack(again, tmp_path / "two.zip")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.zip", "two.zip"))
    assert sha256(one).hexdigest() == sha256(two).hexdigest()


@pytest.mark.parametrize("architecture", sorted(MACHINES))
def test_each_architecture_gets_its_own_binaries(
    package: Path, tmp_path: Path, architecture: str
) -> None:
    folder, archive = package, tmp_path / "lambda.zip"
    if (RUNTIME, architecture) != (VERSION, MACHINE):
        folder = tmp_path / "lambda"
        stage(folder, RUNTIME, architecture)
    pack(folder, archive)
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    binaries = sorted(folder.rglob("*.so"))
    assert binaries
    assert {elf_machine(binary) for binary in binaries} == {ELF_MACHINES[architecture]}
    bytecode = {name.rsplit(".", 2)[1] for name in names if name.endswith(".pyc")}
    assert bytecode <= {RUNTIME.replace("python3.", "cpython-3")}
    assert {f"handlers/{handler}.py" for handler in HANDLERS} <= set(names)
    assert archive.stat().st_size < MOST_BYTES

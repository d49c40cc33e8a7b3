"""Skips these tests where there is no ``pulumi``, and builds the package of the functions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.functions.runtime import PACKAGE_ZIP
from tests.support.project import ROOT, copy_project

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("pulumi") or os.environ.get("CI"):
        return
    skip = pytest.mark.skip(reason="there is no pulumi on the PATH: run `make pulumi`")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package of the functions, built from this source."""
    project = copy_project(tmp_path_factory.mktemp("package") / "project")
    subprocess.run([sys.executable, "-m", "tools.package"], cwd=project, check=True)
    return project / PACKAGE_ZIP.relative_to(ROOT)

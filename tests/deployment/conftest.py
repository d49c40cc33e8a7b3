"""Skips these tests where there is no ``pulumi``. In CI there must be one."""

import os
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("pulumi") or os.environ.get("CI"):
        return
    skip = pytest.mark.skip(reason="there is no pulumi on the PATH: run `make pulumi`")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(skip)

"""A project that ``pulumi new`` has created from this repository can prove that it is sound."""

import subprocess
import sys
from pathlib import Path

import yaml

from tests.support.project import copy_project

TESTS = [
    f"tests/infra/config/{name}"
    for name in (
        "test_configuration_page.py",
        "test_stack_files.py",
        "test_validation.py",
        "test_setting_effects.py::test_every_setting_has_a_case",
    )
]


def test_a_copy_with_another_name_passes_its_tests(tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "my-archives")
    file = copy / "Pulumi.yaml"
    project = yaml.safe_load(file.read_text())
    # What the command does: it names the project, removes the template and adds tags.
    project["name"] = "my-archives"
    del project["template"]
    project["config"]["pulumi:tags"] = {"value": {"pulumi:template": "s3-zip-jobs"}}
    file.write_text(yaml.safe_dump(project, sort_keys=False))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        cwd=copy,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

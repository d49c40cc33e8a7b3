"""Copies of this project."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = (".git", ".venv", "build", "out", ".local", "*.egg-info", "__pycache__", ".*_cache")
"""What a clean checkout does not have, and its history."""


def copy_project(folder: Path) -> Path:
    """Copy the project to a new folder. Return the folder."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT, "node_modules"))
    return folder

"""Install npm packages that tests use."""

import fcntl
import shutil
import subprocess
from pathlib import Path

INSTALL = ("npm", "ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund")
"""``ci`` installs what package-lock.json lists and checks each hash. Packages run no scripts."""


def install_locked(source: Path, folder: Path) -> None:
    """Install the packages of the lock file in ``source`` into ``folder``, if it changed."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = source / "package-lock.json"
    installed = folder / "installed-lock.json"
    with (folder / "busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            return
        for path in (source / "package.json", lock):
            shutil.copy(path, folder)
        done = subprocess.run(INSTALL, cwd=folder, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        shutil.copy(lock, installed)

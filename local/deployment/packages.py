"""Unpacks the deployed packages of functions, as Lambda does."""

import hashlib
import tempfile
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.errors import LocalError

OWN_PACKAGES = ("handlers/", "zipjobs/")
"""What is taken from a package. Its libraries are built for Lambda, so those of this Python are
used instead."""


class Packages:
    """The unpacked packages, by content. They are deleted with this object."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="packages-")
        self._lock = threading.Lock()

    def folder(self, archive: Mapping[str, Any]) -> Path:
        """Return the folder with the code of an archive: a property value of Pulumi's protocol.

        Raises LocalError if there is no such file, or it is not a ZIP file.
        """
        path = Path(archive["path"])
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            folder = Path(self._folder.name) / digest
            with self._lock:
                if not folder.exists():
                    _unpack(path, folder)
        except (OSError, zipfile.BadZipFile) as error:
            raise LocalError(f"{path} cannot be read: {error}. Run `make build`.") from error
        return folder


def _unpack(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as package:
        own = [name for name in package.namelist() if name.startswith(OWN_PACKAGES)]
        package.extractall(folder, own)

"""A file that leads a browser to a secret URL.

A browser is started with what it is to open as an argument, and every user of the machine can read
the arguments of every process. So the argument is the path of this file.
"""

import html
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>S3 ZIP Jobs</title>
<a href="{url}">Open the page</a>
</html>
"""


class RedirectFile:
    """An HTML file that only this user can read, in a temporary folder of its own.

    It exists from ``write`` until ``remove``, or until the block ends. Threads may share it.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None

    def write(self, url: str) -> str:
        """Write a file that leads to ``url``. Return the URL of the file. Raises OSError."""
        self._folder = Path(tempfile.mkdtemp(prefix="zipjobs-"))  # only this user can enter it
        path = self._folder / "open.html"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_PAGE.format(url=html.escape(url)))
        return path.as_uri()

    def remove(self) -> None:
        """Delete the file and its folder, if they exist."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

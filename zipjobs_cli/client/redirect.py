"""An HTML file that redirects a browser to a secret URL.

Browsers get the address to open as an argument, and every user of a machine can read the arguments
of all processes. So the argument is the path of this file, which only its owner can read.
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
    """A redirect file in a temporary folder. Only this user can read it.

    It exists from ``write`` until ``remove``, or until the block ends. Threads may share it.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None

    def write(self, url: str) -> str:
        """Write a file that redirects to ``url``. Return the URL of the file. Raises OSError."""
        self._folder = Path(tempfile.mkdtemp(prefix="zipjobs-"))  # with mode 0700
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

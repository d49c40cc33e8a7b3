"""Downloads the archives of a job, and checks that they are what the job made."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from isal.isal_zlib import crc32

from zipjobs_cli.archives.receipt import read_receipt, receipt_path
from zipjobs_cli.archives.regular_files import open_regular, size_of
from zipjobs_cli.archives.resumable_download import PIECE_BYTES, Fetching, part_path
from zipjobs_cli.client.api import Api
from zipjobs_cli.client.job import Archive, Job
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import printable

_UTF8_NAME = re.compile(r"filename\*=UTF-8''([^;]+)")

OnBytes = Callable[[int], None]


class ChecksumMismatch(CliError):
    """What was fetched is not what the job says that it made."""


@dataclass(frozen=True)
class Fetched:
    """An archive that is here. ``resumed_bytes`` of it were here before."""

    archive: Archive
    path: Path
    receipt: Path | None
    resumed_bytes: int


@dataclass
class Download:
    """Downloads what ``job`` made. ``is_forced``: in place of whatever files are in the way."""

    api: Api
    job: Job
    is_forced: bool = False
    on_bytes: OnBytes = lambda count: None

    @property
    def size(self) -> int:
        """Of all archives, in bytes."""
        return sum(archive["size"] for archive in self.job["archives"])

    def places(self, output: str | None) -> list[Path]:
        """The path of each archive: in the folder, or for a single one the file, ``output``.

        The names are those that the links give them. Raises CliError if the job is not READY, or
        ``output`` cannot be what it is to be.
        """
        archives = self.job["archives"]
        if self.job["status"] != "READY":
            raise CliError(f"Job {self.job['jobId']} is {self.job['status']}: it has no archive.")
        names = [file_name(archive["downloadUrl"], archive["key"]) for archive in archives]
        target = Path(output or ".")
        if len(archives) == 1 and not (target.is_dir() or (output or "").endswith("/")):
            return [target]
        if target.exists() and not target.is_dir():
            raise CliError(f"{target} is no folder, and the job has {len(archives):,} archives.")
        return [target / name for name in names]

    def fetch(self, paths: Sequence[Path], has_receipts: bool = False) -> list[Fetched]:
        """Fetch the archives to ``paths``, and with ``has_receipts`` a receipt beside each.

        What is there already is not fetched again; what is there in part is gone on with.

        Raises ChecksumMismatch, CliError, and OSError.
        """
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        return [self._fetch(number, path, has_receipts) for number, path in enumerate(paths)]

    def _fetch(self, number: int, path: Path, has_receipt: bool) -> Fetched:
        archive = self.job["archives"][number]
        resumed = self._present(path, archive)
        if resumed is None:
            resumed = self._fetch_archive(number, path)
        receipt = self._fetch_receipt(number, path) if has_receipt else None
        return Fetched(archive, path, receipt, resumed)

    def _present(self, path: Path, archive: Archive) -> int | None:
        """The archive's size if it is there, None if nothing is. Raises CliError if another is."""
        if not path.exists():
            return None
        if path.is_file() and path.stat().st_size == archive["size"]:
            with path.open("rb") as file:
                total = 0
                while piece := file.read(PIECE_BYTES):
                    total = crc32(piece, total)
            if f"{total:08x}" == archive["crc32"]:
                self.on_bytes(archive["size"])
                return archive["size"]
        if not self.is_forced or not path.is_file():
            raise CliError(f"{path} is there, and is another. --force replaces a file.")
        return None

    def _fetch_archive(self, number: int, path: Path) -> int:
        """Return how many bytes were there before."""
        archive = self.job["archives"][number]
        part = part_path(path, archive["crc32"])
        is_retry = False
        while True:
            before, fetching = self._fetch_part(number, part, is_new=is_retry)
            found = (fetching.done, f"{fetching.crc32:08x}")
            if found == (archive["size"], archive["crc32"]):
                part.replace(path)
                return before
            part.unlink()
            if not before:
                raise ChecksumMismatch(
                    f"{path.name} came as {found[0]:,} bytes with CRC-32 {found[1]}; the job made "
                    f"{archive['size']:,} bytes with CRC-32 {archive['crc32']}."
                )
            self.on_bytes(-fetching.done)
            is_retry = True  # what was there may have been spoiled

    def _fetch_part(self, number: int, part: Path, is_new: bool) -> tuple[int, Fetching]:
        """Complete the part file of an archive. Return its size before, and what is in it now."""
        archive = self.job["archives"][number]
        fetching = Fetching(
            lambda is_dead: self._archive(number, is_dead)["downloadUrl"],
            archive["etag"],
            archive["size"],
            self.on_bytes,
        )
        with open_regular(part, is_new) as file:
            before = size_of(file)
            try:
                _check_room(part.parent, archive["size"] - before)
            except CliError:
                if not before:
                    part.unlink()
                raise
            try:
                fetching.into(file)
                file.flush()
            except OSError as error:
                raise CliError(f"{part} cannot be written: {error.strerror}.") from error
        return before, fetching

    def _fetch_receipt(self, number: int, path: Path) -> Path:
        """Beside the archive. It says the same of it as the job does, or Wrong is raised."""
        archive = self.job["archives"][number]
        receipt = receipt_path(path)
        part = part_path(receipt, archive["crc32"])
        with open_regular(part, is_new=True) as file:
            link = lambda is_dead: self._archive(number, is_dead)["receiptUrl"]  # noqa: E731
            Fetching(link, None, None, lambda count: None).into(file)
        said = read_receipt(part)
        if not self.is_forced and _is_another(receipt, part):
            raise CliError(f"{receipt} is there, and is another. --force replaces a file.")
        if (said.size, said.crc32) != (archive["size"], archive["crc32"]):
            raise ChecksumMismatch(
                f"{receipt.name} is the receipt of another archive than {path.name}."
            )
        part.replace(receipt)
        return receipt

    def _archive(self, number: int, is_dead: bool) -> Archive:
        """An archive with its links; new ones if the last ones are dead."""
        if is_dead:
            self.job = self.api.get(self.job["jobId"])
        archives = self.job["archives"]
        if number >= len(archives):
            raise CliError(f"Job {self.job['jobId']} does not have this archive any more.")
        return archives[number]


def file_name(url: str, key: str) -> str:
    """The name that a link gives its file, or else the key's last part; none that leads astray."""
    (disposition,) = parse_qs(urlsplit(url).query).get("response-content-disposition", [""])
    found = _UTF8_NAME.search(disposition)
    name = unquote(found[1]) if found else PurePosixPath(key).name
    safe = printable(name).replace("/", "_").replace("\\", "_").lstrip(".")
    return safe or "archive.zip"


def _is_another(path: Path, part: Path) -> bool:
    """Return whether something other than a file with the content of ``part`` is at ``path``."""
    if path.is_file():
        return path.read_bytes() != part.read_bytes()
    return path.exists()  # a FIFO is never opened: reading it may wait for ever


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CliError(f"{folder} has room for {free:,} bytes, and {needed:,} are needed.")

"""Download the archives of a job, and check their size and CRC-32."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from zipjobs_cli.archives.checksums import file_crc32
from zipjobs_cli.archives.receipt import read_receipt, receipt_path
from zipjobs_cli.archives.regular_files import open_regular, size_of
from zipjobs_cli.archives.resumable_download import ResumableDownload, part_path
from zipjobs_cli.client.api import Api
from zipjobs_cli.client.job import Archive, Job
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import printable

_UTF8_NAME = re.compile(r"filename\*=UTF-8''([^;]+)")

OnBytes = Callable[[int], None]


class ChecksumMismatch(CliError):
    """A downloaded archive or receipt differs from the job record."""


@dataclass(frozen=True)
class DownloadedArchive:
    """An archive on the disk. ``resumed_bytes`` of it were there before the download."""

    archive: Archive
    path: Path
    receipt: Path | None
    resumed_bytes: int


@dataclass
class JobDownload:
    """Downloads the archives of ``job``. ``is_forced`` overwrites files with other content."""

    api: Api
    job: Job
    is_forced: bool = False
    on_bytes: OnBytes = lambda count: None

    @property
    def size(self) -> int:
        """Size of all archives, in bytes."""
        return sum(archive["size"] for archive in self.job["archives"])

    def paths(self, output: str | None) -> list[Path]:
        """Return the path of each archive for the option ``--output``.

        ``output`` is a folder, or the file name of a single archive. In a folder, archives get the
        names in their links. Raises CliError if the job is not READY, or if it has several archives
        and ``output`` is a file.
        """
        archives = self.job["archives"]
        if self.job["status"] != "READY":
            raise CliError(f"Job {self.job['jobId']} is {self.job['status']}: it has no archive.")
        _require_links(self.job)
        names = [file_name(archive["downloadUrl"], archive["key"]) for archive in archives]
        target = Path(output or ".")
        if len(archives) == 1 and not (target.is_dir() or (output or "").endswith("/")):
            return [target]
        if target.exists() and not target.is_dir():
            raise CliError(f"{target} is not a folder. The job has {len(archives):,} archives.")
        return [target / name for name in names]

    def fetch(self, paths: Sequence[Path], has_receipts: bool = False) -> list[DownloadedArchive]:
        """Download each archive to its path, and with ``has_receipts`` a receipt beside it.

        Complete files are kept, and partial files are resumed.

        Raises ChecksumMismatch, CliError and OSError.
        """
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        return [self._fetch(number, path, has_receipts) for number, path in enumerate(paths)]

    def _fetch(self, number: int, path: Path, has_receipt: bool) -> DownloadedArchive:
        archive = self.job["archives"][number]
        if self._is_complete(path, archive):
            self.on_bytes(archive["size"])
            resumed = archive["size"]
        else:
            resumed = self._fetch_archive(number, path)
        receipt = self._fetch_receipt(number, path) if has_receipt else None
        return DownloadedArchive(archive, path, receipt, resumed)

    def _is_complete(self, path: Path, archive: Archive) -> bool:
        """Return whether the file exists. Raises CliError if it differs from the archive."""
        if not path.exists():
            return False
        has_size = path.is_file() and path.stat().st_size == archive["size"]
        if has_size and f"{file_crc32(path):08x}" == archive["crc32"]:
            return True
        if not self.is_forced or not path.is_file():
            raise _already_exists(path)
        return False

    def _fetch_archive(self, number: int, path: Path) -> int:
        """Download an archive. Return the size of the part file that was resumed."""
        archive = self.job["archives"][number]
        part = part_path(path, archive["crc32"])
        is_retry = False
        while True:
            before, download = self._fetch_part(number, part, is_new=is_retry)
            size, crc32 = download.done, f"{download.crc32:08x}"
            if (size, crc32) == (archive["size"], archive["crc32"]):
                part.replace(path)
                return before
            part.unlink()
            if not before:
                raise ChecksumMismatch(
                    f"{path.name}: received {size:,} bytes with CRC-32 {crc32}, expected "
                    f"{archive['size']:,} bytes with CRC-32 {archive['crc32']}."
                )
            self.on_bytes(-size)
            is_retry = True  # the part file may have been damaged

    def _fetch_part(self, number: int, part: Path, is_new: bool) -> tuple[int, ResumableDownload]:
        """Complete the part file of an archive. Return its previous size, and the download."""
        archive = self.job["archives"][number]
        download = ResumableDownload(
            lambda is_expired: self._archive(number, is_expired)["downloadUrl"],
            archive["etag"],
            archive["size"],
            self.on_bytes,
        )
        with open_regular(part, is_new) as file:
            before = size_of(file)
            try:
                _check_free_space(part.parent, archive["size"] - before)
            except CliError:
                if not before:
                    part.unlink()
                raise
            try:
                download.append_to(file)
                file.flush()
            except OSError as error:
                raise CliError(f"{part} cannot be written: {error.strerror}.") from error
        return before, download

    def _fetch_receipt(self, number: int, path: Path) -> Path:
        """Download the receipt. Raises ChecksumMismatch if it is for another archive."""
        archive = self.job["archives"][number]
        receipt = receipt_path(path)
        part = part_path(receipt, archive["crc32"])
        with open_regular(part, is_new=True) as file:
            link = lambda is_expired: self._archive(number, is_expired)["receiptUrl"]  # noqa: E731
            ResumableDownload(link, None, None, lambda count: None).append_to(file)
        content = read_receipt(part)
        if not self.is_forced and _differs(receipt, part):
            raise _already_exists(receipt)
        if (content.size, content.crc32) != (archive["size"], archive["crc32"]):
            raise ChecksumMismatch(f"{receipt.name} is not the receipt of {path.name}.")
        part.replace(receipt)
        return receipt

    def _archive(self, number: int, is_expired: bool) -> Archive:
        """Return an archive with its links. ``is_expired`` requests new links."""
        if is_expired:
            self.job = self.api.get(self.job["jobId"])
        _require_links(self.job)
        archives = self.job["archives"]
        if number >= len(archives):
            raise CliError(f"Archive {number + 1} of job {self.job['jobId']} no longer exists.")
        return archives[number]


def _require_links(job: Job) -> None:
    """Raises CliError if the archives have expired."""
    if not all("downloadUrl" in archive for archive in job["archives"]):
        raise CliError(
            f"The archive of job {job['jobId']} expired at {job['archiveExpiresAt']}. Submit the "
            "request again."
        )


def file_name(url: str, key: str) -> str:
    """Return the file name in a link, or the last part of the key, without path separators."""
    (disposition,) = parse_qs(urlsplit(url).query).get("response-content-disposition", [""])
    match = _UTF8_NAME.search(disposition)
    name = unquote(match[1]) if match else PurePosixPath(key).name
    safe = printable(name).replace("/", "_").replace("\\", "_").lstrip(".")
    return safe or "archive.zip"


def _already_exists(path: Path) -> CliError:
    return CliError(f"{path} already exists with different content. Use --force to overwrite it.")


def _differs(path: Path, part: Path) -> bool:
    """Return whether ``path`` exists and is not a file with the content of ``part``."""
    if path.is_file():
        return path.read_bytes() != part.read_bytes()
    return path.exists()  # a FIFO is never opened: reading it may block forever


def _check_free_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CliError(f"{folder} has {free:,} bytes free. The download needs {needed:,} bytes.")

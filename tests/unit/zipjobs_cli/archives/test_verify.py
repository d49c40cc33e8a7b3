"""Archives compared with receipts: every difference is found, and nothing else."""

import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.unit.zipjobs_cli.conftest import (
    BODIES,
    Make,
    Pair,
    measured,
    receipt_of,
    receipt_text,
    write_archive,
)
from zipjobs_cli.archives.verify import Difference, Kind, Verdict, verify
from zipjobs_cli.errors import Unreadable

NAMES = list(BODIES)
MIB = 1 << 20


def verdict_on(pair: Pair) -> Verdict:
    return verify(pair.archive, pair.receipt, lambda _: None)


def entry_differences(pair: Pair) -> list[Difference]:
    """Return at least one difference, without those of the archive's size and CRC-32."""
    differences = verdict_on(pair).differences
    assert differences
    whole = (Kind.ARCHIVE_SIZE, Kind.ARCHIVE_CRC32)
    return [difference for difference in differences if difference.kind not in whole]


def crc32(body: bytes) -> str:
    return f"{zlib.crc32(body):08x}"


def body_at(pair: Pair, name: str) -> int:
    """Return the position of a body."""
    with zipfile.ZipFile(pair.archive) as archive:
        at = archive.getinfo(name).header_offset
    name_bytes, extra_bytes = struct.unpack("<HH", pair.archive.read_bytes()[at + 26 : at + 30])
    return at + 30 + int(name_bytes) + int(extra_bytes)


def record_at(pair: Pair, name: str) -> int:
    """Return the position of a central directory record."""
    return pair.archive.read_bytes().rindex(name.encode()) - 46


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_matches_its_receipt(make: Make, compression: int) -> None:
    pair = make(compression=compression, skipped=3)
    content = pair.archive.read_bytes()
    verdict = verdict_on(pair)
    assert verdict == Verdict(len(content), crc32(content), len(BODIES), {"SOURCE_ARCHIVED": 3}, ())
    assert verdict.matches


def test_an_empty_archive_matches_its_receipt(make: Make) -> None:
    assert verdict_on(make({})).matches


def test_progress_reaches_the_size_of_the_archive(make: Make) -> None:
    pair = make({"a": bytes(3 * MIB), "b": bytes(2 * MIB)})
    progress: list[int] = []
    verify(pair.archive, pair.receipt, progress.append)
    assert progress == sorted(progress)
    assert len(progress) >= 5
    assert progress[-1] == pair.archive.stat().st_size


@pytest.mark.parametrize("name", [name for name in NAMES if BODIES[name]])
def test_a_flipped_bit_in_a_body_is_a_difference_of_its_entry(make: Make, name: str) -> None:
    pair = make()
    at = body_at(pair, name)
    pair.flip(at)
    body = bytes([BODIES[name][0] ^ 1]) + BODIES[name][1:]
    expected = Difference(Kind.CRC32, name, crc32(BODIES[name]), crc32(body))
    assert entry_differences(pair) == [expected]


def test_a_flipped_bit_in_a_deflated_body_is_found(make: Make) -> None:
    bodies = {"a": b"one" * 999, "b": b"two" * 999}
    for bit in range(8):
        pair = make(bodies, zipfile.ZIP_DEFLATED)
        pair.flip(body_at(pair, "b") + 2, bit)
        assert {difference.name for difference in entry_differences(pair)} == {"b"}


def test_a_flipped_bit_in_the_central_directory_is_found(make: Make) -> None:
    pair = make()
    record = record_at(pair, "report.pdf")
    pair.flip(record + 16)
    body = BODIES["report.pdf"]
    stated = f"{zlib.crc32(body) ^ 1:08x}"
    expected = Difference(Kind.DIRECTORY_CRC32, "report.pdf", crc32(body), stated)
    assert entry_differences(pair) == [expected]

    pair = make()
    pair.flip(record + 24)
    expected = Difference(Kind.DIRECTORY_SIZE, "report.pdf", len(body), len(body) ^ 1)
    assert entry_differences(pair) == [expected]

    pair = make()
    pair.flip(record + 42)
    (unreadable,) = entry_differences(pair)
    assert (unreadable.kind, unreadable.name) == (Kind.UNREADABLE, "report.pdf")

    pair = make()
    pair.flip(record + 46)
    name = chr(ord("r") ^ 1) + "eport.pdf"
    expected = Difference(Kind.MISSING, "report.pdf", 1, None)
    assert entry_differences(pair) == [expected, Difference(Kind.EXTRA, name, None, 1)]

    pair = make()
    pair.flip(record)
    with pytest.raises(Unreadable, match="job-1.zip cannot be read"):
        verdict_on(pair)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_bit_in_any_byte_is_found(make: Make, compression: int) -> None:
    pair = make({"a.pdf": b"first" * 9, "größe.pdf": b"second"}, compression)
    content = pair.archive.read_bytes()
    for at in range(len(content)):
        pair.flip(at, at % 8)
        with suppress(Unreadable):
            assert not verdict_on(pair).matches, f"byte {at}"
        pair.archive.write_bytes(content)


def test_the_error_for_a_truncated_archive_has_both_sizes(make: Make) -> None:
    pair = make()
    content = pair.archive.read_bytes()
    for size in range(0, len(content), 7):
        pair.archive.write_bytes(content[:size])
        with pytest.raises(Unreadable, match=f" {size:,} bytes.* {len(content):,}"):
            verdict_on(pair)


def test_missing_bytes_in_the_middle_are_found(make: Make) -> None:
    pair = make()
    content = pair.archive.read_bytes()
    at = body_at(pair, "report.pdf")
    pair.archive.write_bytes(content[:at] + content[at + 10 :])
    verdict = verdict_on(pair)
    size = Difference(Kind.ARCHIVE_SIZE, None, len(content), len(content) - 10)
    assert size in verdict.differences
    assert "report.pdf" in {difference.name for difference in verdict.differences}


def test_extra_bytes_before_or_after_an_archive_are_found(make: Make) -> None:
    pair = make()
    content = pair.archive.read_bytes()
    for changed in (b"x" + content, content + b"x"):
        pair.archive.write_bytes(changed)
        assert verdict_on(pair).differences == (
            Difference(Kind.ARCHIVE_SIZE, None, len(content), len(content) + 1),
            Difference(Kind.ARCHIVE_CRC32, None, crc32(content), crc32(changed)),
        )


@pytest.mark.parametrize("gone", range(len(NAMES)))
def test_a_missing_entry_is_the_only_difference(make: Make, gone: int) -> None:
    pair = make()
    left = [item for item in BODIES.items() if item[0] != NAMES[gone]]
    write_archive(pair.archive, left)
    assert entry_differences(pair) == [
        Difference(Kind.ARCHIVE_ENTRIES, None, len(NAMES), len(NAMES) - 1),
        Difference(Kind.MISSING, NAMES[gone], gone + 1, None),
    ]


@pytest.mark.parametrize("place", range(len(NAMES) + 1))
def test_an_extra_entry_is_the_only_difference(make: Make, place: int) -> None:
    pair = make()
    bodies = list(BODIES.items())
    write_archive(pair.archive, [*bodies[:place], ("new.pdf", b"new"), *bodies[place:]])
    assert entry_differences(pair) == [
        Difference(Kind.ARCHIVE_ENTRIES, None, len(NAMES), len(NAMES) + 1),
        Difference(Kind.EXTRA, "new.pdf", None, place + 1),
    ]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_name_in_the_archive_is_found(make: Make) -> None:
    pair = make()
    write_archive(pair.archive, [*BODIES.items(), ("report.pdf", b"another")])
    assert entry_differences(pair) == [
        Difference(Kind.ARCHIVE_ENTRIES, None, len(NAMES), len(NAMES) + 1),
        Difference(Kind.DOUBLED, "report.pdf", 1, 2),
    ]


def test_a_duplicate_name_in_the_receipt_is_found(make: Make) -> None:
    pair = make()
    pair.change_receipt(lambda receipt: receipt["entries"].append(receipt["entries"][0]))
    assert verdict_on(pair).differences == (
        Difference(Kind.RECEIPT_ENTRIES, None, len(NAMES), len(NAMES) + 1),
        Difference(Kind.DOUBLED, "report.pdf", 2, 1),
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_name_in_both_is_found(make: Make) -> None:
    pair = make()
    write_archive(pair.archive, [("a", b"1"), ("b", b"2"), ("a", b"1")])
    content = receipt_of(pair.archive, {"a": b"1", "b": b"2"})
    content["entries"].append(content["entries"][0])
    content["archive"]["entries"] = 3
    pair.receipt.write_text(receipt_text(content))
    assert verdict_on(pair).differences == (Difference(Kind.DOUBLED, "a", 2, 2),)


def test_a_moved_entry_has_both_positions(make: Make) -> None:
    pair = make()
    first, *others = BODIES.items()
    write_archive(pair.archive, [*others, first])
    assert entry_differences(pair) == [Difference(Kind.MOVED, "report.pdf", 1, len(NAMES))]


def test_entries_of_a_reversed_archive_are_only_moved(make: Make) -> None:
    bodies = {f"{i}.pdf": b"%d" % i for i in range(20)}
    pair = make(bodies)
    write_archive(pair.archive, list(reversed(bodies.items())))
    assert [(difference.kind, difference.name) for difference in entry_differences(pair)] == [
        (Kind.MOVED, f"{i}.pdf") for i in reversed(range(19))
    ]


def test_a_different_body_differs_in_size_and_crc32(make: Make) -> None:
    pair = make()
    other = BODIES | {"empty.pdf": b"not empty"}
    write_archive(pair.archive, list(other.items()))
    assert entry_differences(pair) == [
        Difference(Kind.SIZE, "empty.pdf", 0, 9),
        Difference(Kind.CRC32, "empty.pdf", "00000000", crc32(b"not empty")),
    ]


def test_the_archive_of_another_job_differs_in_everything(make: Make) -> None:
    pair, other = make(), make({"x": b"1", "y": b"2"}, stem="job-2")
    shutil.copy(other.archive, pair.archive)
    differences = verdict_on(pair).differences
    kinds = [difference.kind for difference in differences]
    assert kinds[:3] == [Kind.ARCHIVE_SIZE, Kind.ARCHIVE_CRC32, Kind.ARCHIVE_ENTRIES]
    missing = [d.name for d in differences if d.kind is Kind.MISSING]
    extra = [d.name for d in differences if d.kind is Kind.EXTRA]
    assert (missing, extra) == (NAMES, ["x", "y"])
    assert len(differences) == 3 + len(missing) + len(extra)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda r: r["archive"].update(size=1), (Kind.ARCHIVE_SIZE, None)),
        (lambda r: r["archive"].update(crc32="0"), (Kind.ARCHIVE_CRC32, None)),
        (lambda r: r["entries"][1].update(size=1), (Kind.SIZE, NAMES[1])),
        (lambda r: r["entries"][1].update(crc32="no"), (Kind.CRC32, NAMES[1])),
    ],
)
def test_a_changed_receipt_does_not_match(
    make: Make, change: Callable[[dict[str, Any]], None], expected: tuple[Kind, str | None]
) -> None:
    pair = make()
    pair.change_receipt(change)
    assert [(d.kind, d.name) for d in verdict_on(pair).differences] == [expected]


def test_a_wrong_number_of_entries_in_the_receipt_is_found(make: Make) -> None:
    pair = make()
    pair.change_receipt(lambda receipt: receipt["archive"].update(entries=3))
    assert verdict_on(pair).differences == (
        Difference(Kind.ARCHIVE_ENTRIES, None, 3, 4),
        Difference(Kind.RECEIPT_ENTRIES, None, 3, 4),
    )


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unknown_compression_methods_are_unreadable(make: Make, compression: int) -> None:
    pair = make({"a": b"x" * 99}, compression)
    (difference,) = verdict_on(pair).differences
    assert (difference.kind, difference.name) == (Kind.UNREADABLE, "a")
    assert difference.found == f"compression method {compression}"


def test_a_reformatted_receipt_matches(make: Make) -> None:
    pair = make()
    content = json.loads(pair.receipt.read_text())
    pair.receipt.write_text(json.dumps(content, indent=4, sort_keys=True))
    assert verdict_on(pair).matches


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_bodies_are_not_kept_in_memory(make: Make, compression: int) -> None:
    pair = make({"large": bytes(64 * MIB)}, compression)
    paths = f"Path({str(pair.archive)!r}), Path({str(pair.receipt)!r})"
    matches, peak = measured(
        "from zipjobs_cli.archives.verify import verify", f"verify({paths}, lambda _: None).matches"
    )
    assert matches
    assert peak < 8 * MIB


def test_files_that_are_not_zip_files_are_unreadable(make: Make, tmp_path: Path) -> None:
    pair = make()
    for path, problem in (
        (tmp_path / "none.zip", "none.zip cannot be read: No such file"),
        (tmp_path, "Is a directory"),
        (pair.receipt, "File is not a zip file"),
    ):
        with pytest.raises(Unreadable) as caught:
            verify(path, pair.receipt, lambda _: None)
        assert problem in str(caught.value)

"""Each reader of ``tests/support/readers.py`` opens archives of each shape."""

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from unicodedata import normalize

import pytest
from isal.isal_zlib import crc32

from tests.readers.shapes import BuiltArchive, Shape, build_huge
from tests.support.readers import READERS, SUMMING_READERS, Contents, Sums, by_bsdtar_from_a_pipe
from zipjobs.archive.parts.sizing import MIN_PART_BYTES
from zipjobs.errors import InvalidRequest


def each(readers: Iterable[Callable[[Path, Path], object]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "reader", readers, ids=lambda reader: reader.__name__.removeprefix("sums_")
    )


@each(READERS)
def test_every_reader_extracts_the_original_content(
    shape: Shape, built: BuiltArchive, folder: Path, reader: Callable[[Path, Path], Contents]
) -> None:
    contents = shape.contents
    if reader is by_bsdtar_from_a_pipe:  # libarchive composes names
        contents = {normalize("NFC", name): body for name, body in contents.items()}
    found = reader(built.path, folder)
    assert sorted(found) == sorted(contents)
    assert [name for name, body in contents.items() if found[name] != body] == []


def test_archive_uses_the_features_of_its_case(shape: Shape, built: BuiltArchive) -> None:
    archive, options = built.archive, shape.options
    body = built.path.read_bytes()
    assert (archive.size, archive.crc32) == (len(body), crc32(body))
    sizes = [len(body) for body in shape.contents.values()]
    assert archive.entries == len(sizes)
    copied = [] if options.deflate else [n for n in sizes if n >= options.sizing.large_bytes]
    assert 0 <= sum(copied) - archive.copied_bytes <= len(copied) * MIN_PART_BYTES
    with zipfile.ZipFile(built.path) as opened:
        assert opened.namelist() == list(shape.contents)
        methods = {info.compress_type for info in opened.infolist()}
    assert (zipfile.ZIP_DEFLATED in methods) == options.deflate


@each(SUMMING_READERS)
def test_every_reader_finds_70_000_entries(
    many: tuple[BuiltArchive, Sums], folder: Path, reader: Callable[[Path, Path], Sums]
) -> None:
    built, sums = many
    _compare(reader(built.path, folder), sums)


@each(SUMMING_READERS)
def test_every_reader_finds_entries_after_one_over_4_gib(
    huge: tuple[BuiltArchive, Sums], folder: Path, reader: Callable[[Path, Path], Sums]
) -> None:
    built, sums = huge
    _compare(reader(built.path, folder), sums)


def test_empty_list_is_refused_without_an_archive(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        build_huge({}, tmp_path / "empty.zip")
    assert list(tmp_path.iterdir()) == []


def _compare(found: Sums, expected: Sums) -> None:
    """Compare names, order, sizes and CRC-32s. Entries that were only listed have no CRC-32."""
    assert len(found) == len(expected)
    both = zip(found.items(), expected.items(), strict=True)
    assert [
        (name, one, right_name, right)
        for (name, one), (right_name, right) in both
        if name != right_name or one not in (right, right._replace(crc32=None))
    ][:3] == []
    assert list(found.values())[-1].crc32 is not None

"""Sample PDFs."""

import hashlib
import json
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.unit.zipjobs_cli.conftest import run
from zipjobs_cli.uploads.sample_pdfs import generate


def digests(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_each_pdf_has_its_number_and_scanned_pages(tmp_path: Path) -> None:
    paths = list(generate(3, tmp_path))
    assert [path.name for path in paths] == [f"document-000{number}.pdf" for number in (1, 2, 3)]
    for number, path in enumerate(paths, 1):
        reader = PdfReader(path, strict=True)
        text, *scans = reader.pages
        assert text.extract_text().startswith(f"Document {number:04}")
        assert [len(page.images) for page in scans] == [1] * len(scans)
        assert scans


def test_the_seed_determines_the_content(tmp_path: Path) -> None:
    first = digests(list(generate(5, tmp_path / "a", seed=7)))
    assert digests(list(generate(5, tmp_path / "b", seed=7))) == first
    assert not set(digests(list(generate(5, tmp_path / "c", seed=8)))) & set(first)


def test_a_larger_count_does_not_change_the_first_files(tmp_path: Path) -> None:
    few = digests(list(generate(2, tmp_path / "few")))
    assert digests(list(generate(6, tmp_path / "more")))[:2] == few


def test_documents_differ_and_the_hundredth_is_large(tmp_path: Path) -> None:
    paths = list(generate(100, tmp_path))
    assert [path.name for path in paths] == [f"document-{n:04}.pdf" for n in range(1, 101)]
    assert len(set(digests(paths))) == 100
    sizes = [path.stat().st_size for path in paths]
    assert sizes[99] > 25_000_000
    assert max(sizes[:99]) < 12_000_000
    assert min(sizes) > 40_000


def test_the_command_prints_number_and_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "folder"
    assert run("generate-pdfs", 2, "--out", folder) == 0
    size = sum(path.stat().st_size for path in folder.iterdir())
    out, err = capsys.readouterr()
    assert (out, err) == (f"2 PDFs in {folder}, {size:,} bytes.\n", "")
    assert run("generate-pdfs", "1", "--out", folder, "--seed", "3", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    one = (folder / "document-0001.pdf").stat().st_size
    assert result == {"folder": str(folder), "files": 1, "bytes": one, "seed": 3}


def test_a_folder_that_cannot_be_written_to_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run("generate-pdfs", "1", "--out", tmp_path / "file" / "folder") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "cannot be written to: Not a directory" in err


def test_links_are_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, other = tmp_path / "samples", tmp_path / "other"
    other.write_text("mine")
    folder.mkdir()
    sample = folder / "document-0001.pdf"
    sample.symlink_to(other)
    assert run("generate-pdfs", "1", "--out", folder) == 2
    assert f"{sample} is not a regular file." in capsys.readouterr().err
    assert other.read_text() == "mine"


def test_existing_files_are_replaced(tmp_path: Path) -> None:
    sample = tmp_path / "document-0001.pdf"
    sample.write_bytes(b"longer than any sample" * 100_000)
    assert list(generate(1, tmp_path)) == [sample]
    assert digests([sample]) == digests(list(generate(1, tmp_path / "other")))

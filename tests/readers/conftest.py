"""Archives that are built once for all readers."""

import logging
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from moto.server import ThreadedMotoServer

from local.moto_gaps import close_gaps
from tests.readers import shapes
from tests.readers.shapes import HUGE, SHAPES, BuiltArchive, Shape
from tests.support.readers import Sums

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="package")
def moto() -> Iterator[str]:
    """Serve moto; yield its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    close_gaps()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="package", params=SHAPES)
def shape(request: pytest.FixtureRequest) -> Shape:
    return SHAPES[request.param]


@pytest.fixture(scope="package")
def built(shape: Shape, moto: str, archives: Path) -> Iterator[BuiltArchive]:
    """Build the archive of a shape."""
    yield shapes.build(shape, moto, archives / "archive.zip")
    reset = urllib.request.Request(f"{moto}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()


@pytest.fixture(scope="package")
def many(archives: Path) -> tuple[BuiltArchive, Sums]:
    return shapes.build_many(archives / "many.zip")


@pytest.fixture(scope="package")
def huge() -> Iterator[tuple[BuiltArchive, Sums]]:
    """Build an archive over 4 GiB in shared memory, where holes need no page cache."""
    with TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.exists() else None) as folder:
        yield shapes.build_huge(HUGE, Path(folder) / "huge.zip"), shapes.sums(HUGE)


@pytest.fixture(scope="package")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("archives")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder for extracted files and delete it after the test."""
    yield tmp_path / "extracted"
    shutil.rmtree(tmp_path / "extracted", ignore_errors=True)

"""A build ends, whichever thread it is on that shows that it must."""

from threading import Thread
from typing import Any
from unittest.mock import Mock

import pytest

from zipjobs.archive.blocks import BlockPool
from zipjobs.archive.builder import build_archive
from zipjobs.archive.options import BuildContext, EngineOptions, Progress
from zipjobs.archive.part_sizing import MIB
from zipjobs.errors import SourceNotFound
from zipjobs.s3.object_reader import ObjectReader, Sink
from zipjobs.s3.source import EPOCH, Entry, ObjectVersion, Source


class TwoAnswers(ObjectReader):
    """Finds "large" first, and only then that "gone" does not exist."""

    def __init__(self) -> None:
        self._sinks: dict[str, Sink] = {}

    def read(self, source: Source, *arguments: Any, **options: Any) -> Any:
        self._sinks[source.key] = arguments[2]
        if len(self._sinks) == 2:
            Thread(target=self._answer).start()
        return Mock()

    def _answer(self) -> None:
        pinned = ObjectVersion(Source("src", "large"), '"etag"', 10**9, EPOCH)
        self._sinks["large"].found(pinned, MIB)
        self._sinks["gone"].failed(SourceNotFound("gone"))


class TooMuch(Exception):
    pass


def test_a_missing_object_may_be_what_shows_that_a_build_must_end() -> None:
    def wait_no_longer(progress: Progress) -> None:
        pytest.fail("nobody ends the build")

    options = EngineOptions(skip_missing=True, progress_seconds=1)
    means = BuildContext(TwoAnswers(), Mock(), BlockPool(52 * MIB), options, wait_no_longer)
    entries = [Entry(key, Source("src", key)) for key in ("gone", "large")]
    with pytest.raises(TooMuch):
        build_archive(entries, means, Mock(side_effect=TooMuch))

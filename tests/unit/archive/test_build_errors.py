"""Errors of callbacks end a build on any thread."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any
from unittest.mock import Mock

import pytest

from zipjobs.archive.options import BuildContext, EngineOptions, Progress
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.parts.sizing import MIB
from zipjobs.archive.whole_archive import build_archive
from zipjobs.errors import LeaseLost, SourceNotFound
from zipjobs.s3.object_reader import ObjectReader, Sink
from zipjobs.s3.source import EPOCH, Entry, ObjectVersion, Source


class TwoResponses(ObjectReader):
    """Responds to both reads at once: first "large" is found, then "gone" is missing."""

    def __init__(self) -> None:
        self._sinks: dict[str, Sink] = {}

    def read(self, source: Source, *arguments: Any, **options: Any) -> Any:
        self._sinks[source.key] = arguments[2]
        if len(self._sinks) == 2:
            Thread(target=self._respond).start()
        return Mock()

    def _respond(self) -> None:
        pinned = ObjectVersion(Source("src", "large"), '"etag"', 10**9, EPOCH)
        self._sinks["large"].found(pinned, MIB)
        self._sinks["gone"].failed(SourceNotFound("gone"))


class QuotaExceeded(Exception):
    pass


def test_an_error_after_a_missing_object_ends_the_build() -> None:
    def fail(progress: Progress) -> None:
        pytest.fail("the build did not end")

    options = EngineOptions(skip=frozenset({SourceNotFound.code}), progress_seconds=1)
    context = BuildContext(TwoResponses(), Mock(), BlockPool(52 * MIB), options, fail)
    entries = [Entry(key, Source("src", key)) for key in ("gone", "large")]
    with pytest.raises(QuotaExceeded):
        build_archive(entries, context, Mock(side_effect=QuotaExceeded))


class EmptyObject(ObjectReader):
    """Responds to each read with an empty object."""

    def __init__(self) -> None:
        pass

    def read(self, source: Source, *arguments: Any, **options: Any) -> Any:
        Thread(target=self._respond, args=(source, arguments[2])).start()
        return Mock()

    def _respond(self, source: Source, sink: Sink) -> None:
        sink.found(ObjectVersion(source, '"etag"', 0, EPOCH), 0)
        sink.done()


def test_a_part_is_not_sent_again_after_the_build_has_ended() -> None:
    started = Event()

    def retry(number: int, length: int, open_chunks: Callable[[], object]) -> None:
        while True:  # the error of the build ends it
            open_chunks()
            started.set()

    def cancelled(progress: Progress) -> None:
        if started.is_set():
            raise LeaseLost("cancelled")

    options = EngineOptions(progress_seconds=0.001)
    upload = Mock(put_part=retry)
    context = BuildContext(EmptyObject(), upload, BlockPool(52 * MIB), options, cancelled)
    with pytest.raises(LeaseLost):
        build_archive([Entry("a.pdf", Source("src", "a.pdf"))], context)

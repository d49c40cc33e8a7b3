"""Read objects with the data plane's client: one GET each, copied into a buffer that all share."""

from functools import partial
from threading import Event

from bench.rounds import Run, ZipTask
from bench.systems.clients import http_client
from zipjobs.archive.options import EngineOptions
from zipjobs.errors import ZipJobsError
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.source import ObjectVersion, Source

OBJECT_BYTES = 2_000_000
"""No object of the measured workloads is larger."""

_BUFFER = memoryview(bytearray(OBJECT_BYTES))


class _Sink:
    """Copies an object. Then it starts the read of another one."""

    def __init__(self, reads: "_Reads") -> None:
        self._reads = reads
        self.offset = 0

    def found(self, pinned: ObjectVersion, length: int) -> None:
        """Ignore the version."""

    def received(self, chunk: memoryview | bytes) -> None:
        _BUFFER[self.offset : self.offset + len(chunk)] = chunk
        self.offset += len(chunk)

    def done(self) -> None:
        self._reads.next(self)

    def failed(self, error: ZipJobsError) -> None:
        raise error


class _Reads:
    def __init__(self, reader: ObjectReader, task: ZipTask, connections: int) -> None:
        self._reader = reader
        self._bucket = task.source_bucket
        self._keys = iter(task.keys)
        self._active = connections
        self.is_over = Event()
        for _ in range(connections):
            self.next(_Sink(self))

    def next(self, sink: _Sink) -> None:
        key = next(self._keys, None)
        if key is None:
            self._active -= 1
            if not self._active:
                self.is_over.set()
            return
        sink.offset = 0
        self._reader.read(Source(self._bucket, key), 0, OBJECT_BYTES, sink, None, flows=True)


def prepare(task: ZipTask) -> Run:
    """Create the reader."""
    options = EngineOptions()
    reader = ObjectReader(http_client(task, options.probes + options.ranges))
    return partial(_read, reader, task, min(options.probes, len(task.keys)))


def _read(reader: ObjectReader, task: ZipTask, connections: int) -> None:
    _Reads(reader, task, connections).is_over.wait()

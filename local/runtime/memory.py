"""Enforces a process's memory limit."""

import subprocess
import threading

import psutil

SAMPLE_SECONDS = 0.05


class MemoryWatch:
    """Samples a process's resident memory, and kills it above its limit, as Lambda does."""

    def __init__(self, process: "subprocess.Popen[bytes]", limit_bytes: int) -> None:
        self.exceeded = False
        self._process = process
        self._limit_bytes = limit_bytes
        self._peak_bytes = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Stop sampling. Return the peak in bytes."""
        self._stopping.set()
        self._thread.join()
        return self._peak_bytes

    def _run(self) -> None:
        try:
            watched = psutil.Process(self._process.pid)
            while True:
                self._peak_bytes = max(self._peak_bytes, watched.memory_info().rss)
                if self._peak_bytes > self._limit_bytes:
                    self.exceeded = True
                    self._process.kill()
                    return
                if self._stopping.wait(SAMPLE_SECONDS):
                    return
        except psutil.NoSuchProcess:
            return

"""Memory for the parts that are being put together: bounded, and used again."""


class PartBuffers:
    """Hands out buffers as long as all of them together stay below ``limit_bytes``.

    Free buffers are kept: fresh memory costs as much CPU as sending a part. One build uses them at
    a time, under its own lock.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._lent_bytes = 0
        self._free: list[bytearray] = []

    def take(self, size: int) -> bytearray | None:
        """A buffer of ``size`` bytes, or None if there is no memory for it now.

        One that is larger than the limit is handed out when no other is.
        """
        if self._lent_bytes and self._lent_bytes + size > self.limit_bytes:
            return None
        self._lent_bytes += size
        for index, buffer in enumerate(self._free):
            if len(buffer) == size:
                return self._free.pop(index)
        free_bytes = sum(len(buffer) for buffer in self._free)
        while self._free and self._lent_bytes + free_bytes > self.limit_bytes:
            free_bytes -= len(self._free.pop(0))
        return bytearray(size)

    def give_back(self, buffer: bytearray) -> None:
        """Take back a buffer that nobody writes to any more."""
        self._lent_bytes -= len(buffer)
        self._free.append(buffer)

    def give_up(self, buffer: bytearray) -> None:
        """Forget a buffer that somebody may still write to."""
        self._lent_bytes -= len(buffer)

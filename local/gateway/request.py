"""A request as it was sent, before decoding."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl

from werkzeug.wrappers import Request


@dataclass(frozen=True)
class RawRequest:
    """``path`` and ``query`` are encoded as sent. Names of ``headers`` are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @classmethod
    def from_werkzeug(cls, request: Request) -> Self:
        uri: str = request.environ.get("RAW_URI", request.full_path)
        path, _, query = uri.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        return cls(request.method, path, query, headers, request.get_data())

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The decoded query parameters."""
        return parse_qsl(self.query, keep_blank_values=True)

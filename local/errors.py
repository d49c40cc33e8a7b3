"""Errors of the embedded AWS."""


class LocalError(Exception):
    """The embedded AWS cannot start, or does not support a declaration. The message says why."""

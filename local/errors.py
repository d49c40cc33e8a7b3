"""What can stop the embedded AWS from starting."""


class LocalError(Exception):
    """A declaration that cannot be played; the message says which and why."""

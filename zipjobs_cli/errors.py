"""What a command cannot do."""


class CliError(Exception):
    """The message says what cannot be done, and why; the exit code is 2."""


class Unreadable(CliError):
    """A file is missing, or is not what it was taken for."""


class MissingOutput(CliError):
    """A stack does not tell something of itself that is needed."""

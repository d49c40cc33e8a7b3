"""Errors that end a command with exit code 2 and a message."""


class CliError(Exception):
    """The command cannot be carried out. The message says why, and what to do."""


class Unreadable(CliError):
    """A file is missing, or is not in the expected format."""


class MissingOutput(CliError):
    """A command needs an output of the stack that is not known."""

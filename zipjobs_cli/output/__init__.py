"""Output of commands: results on stdout; progress, hints and errors on stderr."""

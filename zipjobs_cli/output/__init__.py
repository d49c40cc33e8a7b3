"""What commands print: results on stdout; progress, hints and errors on stderr."""

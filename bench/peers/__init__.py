"""Other tools that zip S3 objects. They are installed from PyPI and npm before a measurement."""

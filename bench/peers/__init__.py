"""Other people's ways to zip objects in S3, installed from PyPI and npm when they are measured."""

"""Responses of Amazon S3 that differ from moto's. Each cites the documentation or a recording.

``middleware.py`` refuses requests before moto sees them. ``uploads.py`` patches moto's uploads.

"LocalStack's recordings" are responses of AWS in ``tests/aws/services/s3/*.snapshot.json`` of the
repository localstack/localstack, by the name of the test that recorded them.
"""

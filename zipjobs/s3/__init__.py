"""The data plane: object reads, part uploads, multipart uploads and S3's errors.

This package is independent of jobs and ZIP files.
"""

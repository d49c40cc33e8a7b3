"""The data plane: reads of objects, uploads of parts, multipart uploads, and S3's errors.

It knows nothing of jobs or ZIP files.
"""

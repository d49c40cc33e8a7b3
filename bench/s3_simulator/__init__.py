"""An S3 simulator in one asyncio process, with configurable latencies and transfer rates.

It supports GET and HEAD with Range and If-Match, multipart uploads with the 5 MiB minimum,
checksums of parts and of the full object, and UploadPartCopy. Objects are synthetic and need no
memory. Uploaded parts are kept only on request.
"""

"""An S3 stand-in in one asyncio process: what a zipper needs of S3, with latencies and rates.

GET and HEAD with Range and If-Match; multipart uploads with the 5 MiB rule, part checksums and the
full-object CRC-32 checked at the end; UploadPartCopy that answers with the range's CRC-32. Objects
are synthetic and cost no memory; uploaded parts are kept only if asked for.
"""

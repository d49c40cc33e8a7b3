"""What a caller asks for: the request's schema, its validation, the allow-list, and the sources
of entries.

It reads requests and lists. It never changes a job, and it never reads the objects to zip.
"""

"""What was asked for and what has happened to it.

Knows requests, records, messages and events; has never seen a byte of an archive.
"""

"""Entries in, one ZIP object in S3 out.

Knows S3 and the ZIP format; has never heard of a job. The path through it is short: ``names``
makes member names safe, ``layout`` decides which bytes go into which part, ``reader`` fetches
them, ``members`` frames them, ``writer`` uploads the parts, and ``engine`` drives the five.
"""

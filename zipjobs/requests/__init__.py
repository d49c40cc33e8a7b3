"""Requests: their schema and validation, the allow-list, and the sources of entries.

This package reads requests and lists. It never changes a job or reads an object to be zipped.
"""

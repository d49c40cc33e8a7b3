"""Finishes jobs: final statuses, completion events, status objects, clean-up, metrics.

This package never imports the archive engine, so that the functions that use it start fast.
"""

"""Ends jobs: final statuses, events, status objects, clean-up, metrics, and stuck jobs.

It never makes an archive, and it loads nothing that does.
"""

"""The job record and its states, queue messages, events, the job list and download links.

This package never reads or writes archives.
"""

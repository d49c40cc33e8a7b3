"""Runs jobs: joins what was asked for (``requests``, ``jobs``) with ``archive``.

``job_runner`` takes a message. It makes a small job's archive at once. ``planner`` cuts a large job
into segments, which come back as messages to ``segment_runner``.
"""

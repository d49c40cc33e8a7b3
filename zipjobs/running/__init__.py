"""Runs jobs from message to end: joins ``jobs`` and ``archive``.

``runner`` takes a message. A job that is one worker's share is made there and then; ``planner``
cuts a larger one into segments, which come back as messages of their own, to ``segments``.
``work`` is what they leave for each other in S3. How a job ends is ``zipjobs/ending``.
"""

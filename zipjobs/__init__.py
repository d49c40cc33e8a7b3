"""Everything that runs inside a Lambda function.

``archive`` makes the bytes, ``jobs`` knows what was asked for and what has happened, and
``runner`` is the one module that joins them. Nothing here creates a client or reads the
environment but ``wiring`` and ``settings``.
"""

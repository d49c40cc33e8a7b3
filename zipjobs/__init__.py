"""Everything that runs inside a Lambda function.

``archive`` makes the bytes, ``jobs`` knows what was asked for and what has happened, ``running`` is
the one package that joins them, and ``api`` is HTTP in front. Nothing here creates a client or
reads the environment but the two modules ``wiring``, and ``settings``.
"""

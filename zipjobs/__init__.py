"""Everything that runs inside a Lambda function.

``archive`` makes the bytes, ``jobs`` knows what was asked for and what has happened, ``running``
joins them, ``ending`` is how jobs end, and ``api`` is HTTP in front. Nothing here creates a client
or reads the environment but the modules ``wiring``, and ``settings``.
"""

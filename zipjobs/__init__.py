"""Everything that runs inside Lambda.

``requests`` is what a caller asks for, ``jobs`` what is recorded, ``archive`` makes the ZIP,
``worker`` runs jobs, ``lifecycle`` ends them, and ``api`` is HTTP. Only ``wiring`` creates clients
of AWS, and only ``settings`` reads the environment.
"""

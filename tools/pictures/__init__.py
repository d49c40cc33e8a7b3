"""Pictures for the docs, drawn from the program itself: ``python -m tools.pictures``.

Nothing here runs in a deployed stack, and nothing else imports it but tests.
"""

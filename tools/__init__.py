"""Commands that build the Lambda package, the pictures and ``docs/asyncapi.yaml``.

Nothing here runs in a deployed stack. Only tests and ``bench`` import it.
"""

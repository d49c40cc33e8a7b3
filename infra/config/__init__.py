"""The stack's configuration: the typed settings, and the checks that each of them must pass."""

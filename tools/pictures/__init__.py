"""The pictures in the docs: ``python -m tools.pictures graph``, ``page`` or ``terminal``."""

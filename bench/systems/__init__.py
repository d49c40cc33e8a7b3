"""What is measured: one module per system, each with ``prepare(stand_in) -> run``."""

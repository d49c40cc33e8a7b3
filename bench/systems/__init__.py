"""The measured systems. Each module has a function ``prepare(task)`` that returns a run."""

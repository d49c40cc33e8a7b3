"""The HTTP API: its handlers, with their own wiring, on moto."""

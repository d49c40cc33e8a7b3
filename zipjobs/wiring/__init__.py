"""The composition root: builds the objects that each handler calls, once per environment.

Each group of handlers has its own module, so that a function imports only what it uses.
"""

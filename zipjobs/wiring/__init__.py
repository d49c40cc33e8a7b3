"""The composition root: builds what each handler calls, once per execution environment.

One module for each group of handlers, so that no function imports what it does not use.
"""

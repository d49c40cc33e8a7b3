"""The commands. Each module has related commands: it reads options and prints results.

The other packages do the work.
"""

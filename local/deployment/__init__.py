"""Deploys the Pulumi program to the embedded AWS.

``program`` runs ``__main__.py`` under ``provider``, which creates each declared resource on a moto
server (``resources``). What moto only stores is kept as ``declarations`` for the other packages.
"""

"""The Pulumi components, one per capability. Imports Pulumi and itself, nothing else.

``settings`` reads and checks the configuration, ``policies`` writes IAM documents as pure
functions; the rest declare resources.
"""

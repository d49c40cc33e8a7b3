"""The Pulumi components that ``__main__.py`` deploys. Imports only Pulumi and itself.

``config`` reads and checks the settings. ``policies`` writes IAM policies as pure functions. All
other modules declare resources: one module or package per capability.
"""

"""The Lambda functions: what each of them can do, and what invokes it.

``component`` lists the capabilities of each function, ``capabilities`` says which permissions and
environment variables a capability needs, and ``lambda_function`` creates the resources.
"""

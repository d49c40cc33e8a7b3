"""The embedded AWS: the whole service on a laptop, deployed from the same Pulumi program.

``stack`` starts and stops everything. ``deployment`` runs the Pulumi program, ``runtime`` runs the
functions, ``gateway`` serves the API, ``iam`` denies requests that no policy allows, and ``faults``
makes requests fail by a plan. ``server`` serves moto; where moto differs from AWS, ``moto_gaps``
closes the gap. A resource that the program does not declare does not exist here.
"""

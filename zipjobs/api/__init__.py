"""HTTP in front of the jobs: routes, their description, and errors as problem details. It never
decides what becomes of a job.
"""

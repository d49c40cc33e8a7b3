"""Large jobs on many functions: planned by the service's own code, with simulated times."""

"""What users read. ``asyncapi`` writes what is generated."""

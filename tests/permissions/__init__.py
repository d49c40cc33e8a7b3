"""That each permission is needed: a stack's whole life, and what breaks if a permission is gone."""

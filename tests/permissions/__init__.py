"""Permission mutations: a scenario uses every permission, and each removed one breaks it."""

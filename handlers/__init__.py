"""The Lambda entry points, one file per function. Each passes its event to one call."""

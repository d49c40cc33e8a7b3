"""Lambda entry points, one file each: an event in, one call, an answer out."""

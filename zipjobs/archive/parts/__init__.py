"""The parts of an archive: their sizes, their memory, and how they are assembled and uploaded."""

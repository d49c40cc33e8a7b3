"""ZIP records, member names and CRC-32. No I/O."""

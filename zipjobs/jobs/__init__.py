"""What is recorded: the job and its states, messages, events, the job list and download links.

Never reads or writes a byte of an archive.
"""

"""The commands, one module each: options in, sentences or JSON out.

The work is done in the packages beside this one.
"""

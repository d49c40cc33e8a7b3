"""The commands of ``python -m cli``, one a module: options in, words for a person or JSON out.

What they do is done by the modules above them.
"""

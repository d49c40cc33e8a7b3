"""How jobs end, whoever ends them, and how those are found that nobody would end.

Of ``archive`` it knows where archives stand and how to take away what is left of them. It never
makes one, nor loads what does: whoever only ends jobs starts without the engine.
"""

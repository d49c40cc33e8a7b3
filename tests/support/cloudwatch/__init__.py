"""A simulation of CloudWatch, which evaluates the declared alarms and dashboard graphs."""

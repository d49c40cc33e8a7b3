"""The CloudWatch alarms and the dashboard, and the metrics that both are made from."""

"""Creates, updates and deletes resources on a moto server, one module per group of services."""

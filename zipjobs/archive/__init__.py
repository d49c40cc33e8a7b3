"""The archive engine: writes entries as one ZIP object. Independent of jobs and Lambda."""

"""Tests of the HTTP API: its handlers with their real wiring, on moto."""

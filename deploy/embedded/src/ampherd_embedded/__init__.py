"""Ampherd without Docker: a supervisor and the ampherd command."""

"""Reads every meter of the site."""

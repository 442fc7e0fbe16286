"""Writes the reference documents from the code that they describe."""

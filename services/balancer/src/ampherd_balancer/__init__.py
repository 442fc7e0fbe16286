"""Shares the mains capacity among the chargers."""

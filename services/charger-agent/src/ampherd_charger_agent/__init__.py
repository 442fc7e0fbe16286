"""Owns one wallbox: its link, its grant and its safety loop."""

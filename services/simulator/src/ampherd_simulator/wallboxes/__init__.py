"""Wallboxes at register level, one file each, written from the register facts; none knows of a socket."""

"""Cleaning scans: our own network, pages of any size, files of many kinds, the command `clean`."""

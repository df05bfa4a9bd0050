"""Measures Pilothouse against its peers on one machine: `python -m bench`."""

"""Pilothouse runs large language models in production from one place."""

__version__ = "0.1.0"

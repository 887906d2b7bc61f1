"""Checks of the published numbers."""

"""Tests of the numerical engine."""

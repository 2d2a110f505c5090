"""Publish one draft, or many."""

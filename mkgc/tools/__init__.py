"""Parsers of what comes from elsewhere."""

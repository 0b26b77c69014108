"""Numbers from recorded queries."""

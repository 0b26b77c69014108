"""What training minimises, one definition a file."""

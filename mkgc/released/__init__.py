"""The published systems as their authors released them."""

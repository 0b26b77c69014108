"""From image files to pixels and to what frozen encoders make of them."""

"""Folders of images that are searched by texts and by images: on the command line, and as a page with an endpoint."""

"""Pictures and the file: image files, tiles, the header, the container, and what is stored in a classic format."""

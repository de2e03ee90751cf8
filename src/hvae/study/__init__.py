"""What the commands do, for Python and for pages: each file one function that the package exports (`hvae.compress`).

Functions are taken from their files or from `hvae`: here their names are those of the files.
"""

"""`python -m hvae` is the command `hvae`."""

import sys

from hvae.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

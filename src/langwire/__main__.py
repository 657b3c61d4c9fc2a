"""`python -m langwire`, for where the `langwire` script is not on the path."""

import sys

from langwire.commands import main

if __name__ == "__main__":
    sys.exit(main())

"""``python -m idverify``: the command line."""

import sys

from idverify.cli import main

if __name__ == "__main__":
    sys.exit(main())

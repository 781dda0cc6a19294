"""``python -m idverify.cli``."""

from __future__ import annotations

import sys

from idverify.cli import main

sys.exit(main())

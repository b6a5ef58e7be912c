"""`python -m ctm.cli` is `ctm`."""

import sys

from ctm.cli.app import main

sys.exit(main())

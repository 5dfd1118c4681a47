"""`python -m tutor`: the same as the console script `tutor`."""

import sys

from tutor.cli import main

sys.exit(main())

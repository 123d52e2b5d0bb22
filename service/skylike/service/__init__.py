"""Answer what a piece of sky looks like, what kind it is, and how odd."""

import os

# Threads of OpenMP that wait for their next work would keep cores busy that others have
# work for. Its libraries read this once, when they are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

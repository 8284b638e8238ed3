"""How fast the lessons train, beside what a reader would use instead: `python -m benchmarks`."""

import os

# Before `ae` adds its own, which only our styles get. A process that trains a peer inherits these.
USERS_XLA_FLAGS = os.environ.get("XLA_FLAGS", "")

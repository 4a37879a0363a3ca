"""The worker with the fake engine: how tests start it."""

import os
import sys

from lem_worker.__main__ import main

if __name__ == "__main__":
    code = main(sys.argv[1:], {"fake": ("fake_engine", "FakeEngine")})
    sys.stderr.flush()
    os._exit(code)

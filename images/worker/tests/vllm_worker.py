"""The worker with the vLLM adapter over the stand-in: how tests start it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "stubs"))

from lem_worker.__main__ import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)

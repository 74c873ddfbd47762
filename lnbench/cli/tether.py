"""The command line of lnbench for as long as standard input is open: that of a node's process.

Whoever holds the other end may be killed in any way: then this ends as by Ctrl-C.
"""

import os
import signal
import threading
import time

from lnbench.cli import app

_GRACE_PERIOD_S = 20.0


def _follow() -> None:
    while os.read(0, 1 << 16):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_PERIOD_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_follow, daemon=True).start()
    app.main()

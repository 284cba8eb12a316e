"""Run a command that does not outlive the process that started it: `tethered.py PARENT COMMAND…`.

However the tests end, also by SIGKILL, the kernel ends what they started (Linux; elsewhere it is a plain start).
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

parent, command = int(sys.argv[1]), sys.argv[2:]
with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != parent:  # it has ended before the kernel was told
    sys.exit(1)
os.execv(command[0], command)

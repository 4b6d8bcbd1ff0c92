# SPDX-License-Identifier: Apache-2.0
"""The signals that stop a server's process."""

import subprocess
import sys

SIGNALS = 20_000

# A signal every 50 µs, so that some arrive at every step of the wait that they are to end.
TAKE_SIGNALS = f"""
import signal
from thriftscore.serving.process import StopSignals
signals = StopSignals([signal.SIGALRM])
signal.setitimer(signal.ITIMER_REAL, 50e-6, 50e-6)
print(sum(signals.wait(10) for _ in range({SIGNALS})))
signal.setitimer(signal.ITIMER_REAL, 0)
"""

TWO_AT_ONCE = """
import os, signal
from thriftscore.serving.process import StopSignals
signals = StopSignals()
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGINT)
print([signals.wait(10), signals.wait(10), signals.wait(0)])
"""


def run_python(source: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", source], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def test_a_signal_at_any_moment_of_the_wait_ends_it():
    assert run_python(TAKE_SIGNALS) == str(SIGNALS)


def test_two_signals_are_two_however_close():
    assert run_python(TWO_AT_ONCE) == "[True, True, False]"

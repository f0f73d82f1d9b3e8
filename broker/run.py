"""An embedded cluster in the foreground: start it, say where it is, wait for a signal, stop it."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from broker.cluster import KafkaCluster, Ready

_CHECK_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_foreground(
    cluster: KafkaCluster,
    ready: Ready,
    announce: Callable[[str], None],
    start_timeout: float = 60.0,
    stop_timeout: float = 30.0,
) -> bool:
    """Run the cluster until SIGINT or SIGTERM; a second signal kills it and ends this process at once.

    Must be called from the main thread, which alone can receive signals. `announce` is called once with the bootstrap
    address, when a client can produce. Timeouts in seconds.

    Returns whether every node stopped by itself. Raises what `KafkaCluster.start` raises, and BrokerDied when a node
    ends unasked; nothing is left running in either case.
    """
    asked_to_stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if asked_to_stop.is_set():
            # No locks and no waiting here: whatever was interrupted may hold what they need.
            for pid in cluster.pids.values():
                os.kill(pid, signal.SIGKILL)
            os._exit(128 + number)
        asked_to_stop.set()

    former = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        # A signal during start-up ends the wait for readiness, whatever the probe says.
        cluster.start(lambda address: asked_to_stop.is_set() or ready(address), start_timeout)
        if not asked_to_stop.is_set():
            announce(cluster.bootstrap)
        while not asked_to_stop.wait(_CHECK_SECONDS):
            cluster.check()
        return cluster.stop(stop_timeout)
    finally:
        cluster.kill_all()
        for number, handler in former.items():
            signal.signal(number, handler)

"""One Kafka process: its folder, its settings, its life and its death."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.ports import accepts
from broker.properties import DATA_FOLDER, NodeAddress, server_properties, to_file_text
from broker.watchdog import Watchdog

_TAIL_LINES = 30
_LOG_LIMIT_BYTES = 32 * 1024 * 1024

# Java's quick compiler only: half the processor time to start and a third less while warming up, measured on 2 cores
# (port open: 3.2 s of CPU instead of 6.0; a transaction of 256 records: 12 ms instead of 19, later 6 instead of 8).
_QUICK_START = ("-XX:TieredStopAtLevel=1",)


class BrokerDied(RuntimeError):
    """A node that should be running is not; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Runtime:
    """What a node is started with: the Java program, Kafka's jars, and the most memory for Java's heap (`512m`)."""

    java: Path
    jars: Sequence[Path]
    heap: str

    def command(self, main_class: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """The command line that runs one of Kafka's programs."""
        return [
            str(self.java),
            *options,
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
            "-Dorg.slf4j.simpleLogger.showShortLogName=true",
            # Every setting of Kafka, several times over, at each start.
            "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
            # The jars' own native compression libraries; without it Java prints a warning for each.
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-cp",
            os.pathsep.join(str(jar) for jar in self.jars),
            main_class,
            *arguments,
        ]


class Node:
    """A Kafka broker and controller in one process, with a folder of its own.

    Holds no state but the process: the folder is the truth, and a node may be started on it again after any death.
    """

    def __init__(self, folder: Path, address: NodeAddress) -> None:
        self.folder = folder
        self.address = address
        self.log_file = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: Watchdog | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the node should be running, else None."""
        return None if self._process is None else self._process.pid

    def prepare(self, nodes: Sequence[NodeAddress], extra: Mapping[str, str]) -> None:
        """Write `server.properties`. Raises ValueError for settings that are not free to give."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = to_file_text(server_properties(self.address, nodes, extra))
        (self.folder / "server.properties").write_text(text, encoding="ascii")

    def begin_format(self, runtime: Runtime, cluster_id: str) -> "subprocess.Popen[bytes] | None":
        """Start to make an empty data folder ready for this cluster; None if it has been done before."""
        if (self.folder / DATA_FOLDER / "meta.properties").exists():
            return None
        arguments = ("format", "--cluster-id", cluster_id, "--config", "server.properties", "--ignore-formatted")
        return self._popen(runtime.command("kafka.tools.StorageTool", *arguments, options=_QUICK_START))

    def start(self, runtime: Runtime, lock_fd: int) -> None:
        """Start Kafka; the process keeps `lock_fd` open for as long as it lives."""
        if self._process is not None:
            raise RuntimeError(f"node {self.address.node} is already running as process {self.pid}")
        options = (f"-Xmx{runtime.heap}", "-XX:+ExitOnOutOfMemoryError", *_QUICK_START)
        command = runtime.command("kafka.Kafka", "server.properties", options=options)
        self._process = self._popen(command, lock_fd)
        self._watchdog = Watchdog(self._process.pid)

    def check(self) -> None:
        """Raise BrokerDied if the node was started and has ended by itself."""
        if self._process is not None and (status := self._process.poll()) is not None:
            self._forget()
            raise BrokerDied(f"Kafka node {self.address.node} ended with status {status}. {self.log_tail()}")

    def accepts(self) -> bool:
        """Whether the node's client port is open."""
        return accepts(self.address.port)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal. Raises RuntimeError if the node is not running."""
        if self._process is None:
            raise RuntimeError(f"node {self.address.node} is not running")
        self._process.send_signal(number)

    def wait(self, timeout: float) -> bool:
        """Wait for the end of the process, at most `timeout` seconds; whether it ended. True if it never ran."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        self._forget()
        return True

    def kill(self) -> None:
        """End the process at once (SIGKILL), if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget()

    def log_tail(self) -> str:
        """The last lines of the node's log, with a heading that names the file."""
        try:
            lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        return "\n".join([f"The end of {self.log_file}:", *lines[-_TAIL_LINES:]])

    def _popen(self, command: list[str], *inherited: int) -> "subprocess.Popen[bytes]":
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=inherited,
                # Ctrl-C in a terminal goes to the whole group; the broker must stop after its clients, not with them.
                start_new_session=True,
            )

    def _forget(self) -> None:
        if self._watchdog is not None:
            self._watchdog.dismiss()
        self._process = self._watchdog = None

"""What is asked of jgo: mirrors of the user's come first, and a broken download is taken up again."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from broker import maven

JAR = b"the bytes of a jar" * 1000
PATH = "/org/example/thing/1.0/thing-1.0.jar"


class Repository(ThreadingHTTPServer):
    """A Maven repository on loopback that can break off in the middle of its next answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.break_off = 0
        self.requests = 0


class _Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        if self.path != PATH:
            self.send_error(404)
            return
        self.server.requests += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(JAR)))
        self.end_headers()
        if self.server.break_off > 0:
            self.server.break_off -= 1
            self.wfile.write(JAR[:100])
        else:
            self.wfile.write(JAR)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    server = Repository()
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setattr(maven.time, "sleep", lambda _: None)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_mirror_in_the_users_own_settings_is_asked(repository, tmp_path):
    assert maven.fetch("org.example:thing:1.0", tmp_path / "m2").read_bytes() == JAR
    assert repository.requests == 1


def test_a_download_that_breaks_off_is_fetched_again_whole(repository, tmp_path):
    repository.break_off = 2
    assert maven.fetch("org.example:thing:1.0", tmp_path / "m2").read_bytes() == JAR
    assert repository.requests == 3


def test_after_three_attempts_it_says_what_could_not_be_fetched(repository, tmp_path):
    repository.break_off = 99
    with pytest.raises(maven.FetchError, match=r"org\.example:thing:1\.0 could not be fetched in 3 attempts"):
        maven.fetch("org.example:thing:1.0", tmp_path / "m2")
    assert repository.requests == 3

"""digest serve as a process of its own."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.web.web_server import CONFIG


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """Says where; shows the form and the output folder; ends soon after SIGTERM, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "site" / "_posts").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(CONFIG.format(port=port, proxies="[]"), encoding="utf-8")
    words = [sys.executable, "-m", "digest", "serve", "--config", str(tmp_path / "config.yaml"), "--port", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert status(port, "/mail/") == 200
        assert status(port, "/nothing") == 404
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=60)
    finally:
        server.kill()
    assert f"http://127.0.0.1:{port}/mail/" in out
    assert "Traceback" not in err


def status(port: int, path: str) -> int:
    """Of a GET; waits for the server to start."""
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", path)
            return connection.getresponse().status
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        finally:
            connection.close()

"""digest serve as a process of its own: what it does by the clock and the folder, and how it ends."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from digest.errors import StoreError
from digest.models import DeliveryState
from digest.store import open_store
from tests.delivery.scripted_smtp import Hang, ScriptedServer, at
from tests.scheduler.serve_process import Served, get, serving, until, write_post, write_site


def feed_titles(port: int) -> list[str]:
    status, body = get(port, "/feed.json")
    return [item["title"] for item in json.loads(body)["items"]] if status == 200 else []


def states(folder: Path) -> dict[DeliveryState, int]:
    with open_store(f"sqlite:///{folder}/var/digest.db") as store:
        return {state: count for state, count in store.counts().by_state.items() if count}


def test_it_publishes_sends_and_shows(tmp_path: Path) -> None:
    """From an empty folder: pages, feeds and the first mail; then a new post is in the feed soon."""
    write_site(tmp_path)
    with serving(tmp_path, fresh=True) as served:
        port = served.port()
        served.wait_for("2 arrived, daily .* made")
        until(lambda: served.mails(), "the first edition is mailed")
        assert sorted(feed_titles(port)) == ["标题 post0", "标题 post1"]
        write_post(tmp_path, "news")
        until(lambda: "标题 news" in feed_titles(port), "the new post is in the feed")
        (tmp_path / "posts" / "_posts" / "deep" / "er").mkdir(parents=True)
        served.wait_for("1 arrived")
        write_post(tmp_path, "after")
        until(lambda: "标题 after" in feed_titles(port), "the folders are still watched")
        served.signal(signal.SIGTERM)
        assert served.ends() == 0
    assert not [line for line in served.said if "Traceback" in line or "failed" in line]
    assert len(served.mails()) == 1
    assert states(tmp_path) == {DeliveryState.SENT: 1}


def test_without_web_and_without_schedule(tmp_path: Path) -> None:
    """--no-web listens nowhere and does all else; --no-schedule starts no run and shows what is there."""
    write_site(tmp_path)
    with serving(tmp_path, "--no-web") as served:
        served.wait_for("2 arrived")
        until(lambda: served.mails(), "mail is sent")
        served.signal(signal.SIGINT)
        assert served.ends() == 0
    assert not [line for line in served.said if "http://" in line]
    write_post(tmp_path, "unseen")
    with serving(tmp_path, "--no-schedule") as served:
        port = served.port()
        until(lambda: len(feed_titles(port)) == 2, "what was published is shown")
        served.signal(signal.SIGTERM)
        assert served.ends() == 0
    assert not [line for line in served.said if "arrived" in line]


def smtp(port: int) -> str:
    return (
        f"mail: {{transport: smtp, host: 127.0.0.1, port: {port}, security: none, sender: digest@news.example.com,\n"
        "  to: [a@example.org, b@example.org, c@example.org], connections: 1, rate: 1000}\n"
    )


def smtp_site(folder: Path, port: int) -> None:
    write_site(folder)
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("mail:")]
    (folder / "config.yaml").write_text("\n".join(kept) + "\n" + smtp(port), encoding="utf-8")


class Gate:
    """Lets the server's first answer to a message wait until the test says so."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, step: str, dialogue: Any) -> None:
        if step == "dot" and not self.opened.is_set():
            self.reached.set()
            self.opened.wait(60)


def test_a_message_in_hand_is_finished(tmp_path: Path) -> None:
    """SIGTERM between the end of a message and its answer: the answer is waited for, and no other message begins."""
    gate = Gate()
    with ScriptedServer(gate) as server:
        smtp_site(tmp_path, server.port)
        with serving(tmp_path) as served:
            assert gate.reached.wait(60)
            served.signal(signal.SIGTERM)
            served.wait_for("finishing what is in hand")
            gate.opened.set()
            assert served.ends() == 0
        assert len(server.accepted) == 1
    assert states(tmp_path) == {DeliveryState.SENT: 1, DeliveryState.QUEUED: 2}


@pytest.mark.slow
def test_a_server_that_never_answers_does_not_keep_it(tmp_path: Path) -> None:
    """After ten seconds it ends all the same; the message is in doubt later."""
    with ScriptedServer(at("dot", then=Hang())) as server:
        smtp_site(tmp_path, server.port)
        with serving(tmp_path) as served:
            until(
                lambda: (tmp_path / "var").exists() and DeliveryState.TRANSMITTING in states(tmp_path),
                "a message is out",
            )
            served.signal(signal.SIGTERM)
            assert served.ends() == 0
    assert [line for line in served.said if "mail did not end in time" in line]


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with ScriptedServer(at("dot", then=Hang())) as server:
        smtp_site(tmp_path, server.port)
        with serving(tmp_path) as served:
            until(
                lambda: (tmp_path / "var").exists() and DeliveryState.TRANSMITTING in states(tmp_path),
                "a message is out",
            )
            served.signal(signal.SIGTERM)
            served.wait_for("once more to leave at once")
            served.signal(signal.SIGTERM)
            assert served.ends() == 143
    assert states(tmp_path)[DeliveryState.TRANSMITTING] == 1


def test_two_on_one_store(tmp_path: Path) -> None:
    """The second one is told, shows pages, and takes over when the first is killed; nothing is mailed twice."""
    write_site(tmp_path)
    with serving(tmp_path) as first:
        first.wait_for("2 arrived")
        with serving(tmp_path) as second:
            port = second.port()
            second.wait_for(r"another process is at work on it \(digest serve, process \d+\); it starts the runs")
            assert len(feed_titles(port)) == 2
            until(lambda: len(first.mails()) == 1, "the first one mails")
            first.signal(signal.SIGKILL)
            first.ends()
            write_post(tmp_path, "news")
            second.wait_for("this one starts the runs now")
            until(lambda: "标题 news" in feed_titles(port), "the second one publishes")
            second.signal(signal.SIGTERM)
            assert second.ends() == 0
    assert len(second.mails()) == 1


def test_a_reload_keeps_its_number_and_refuses_nobody(tmp_path: Path) -> None:
    """SIGHUP with a sound configuration: the new title is shown by the same process, at the same address."""
    write_site(tmp_path)
    with serving(tmp_path) as served:
        port = served.port()
        served.wait_for("2 arrived")
        path = tmp_path / "config.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("财经早报", "财经晚报"), encoding="utf-8")
        refused = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.wait(0.05):
                refused.append(get(port, "/feed.json")[0])

        asking = threading.Thread(target=ask)
        asking.start()
        served.signal(signal.SIGHUP)
        served.wait_for("reading the configuration again")
        served.wait_for(f"http://127.0.0.1:{port}/ shows")
        until(lambda: json.loads(get(port, "/feed.json")[1])["title"] == "财经晚报", "the new title is published")
        stop.set()
        asking.join()
        served.signal(signal.SIGTERM)
        assert served.ends() == 0
    assert set(refused) == {200}


def test_a_reload_of_a_faulty_configuration_changes_nothing(tmp_path: Path) -> None:
    """Its mistakes are told, with their lines."""
    write_site(tmp_path)
    with serving(tmp_path) as served:
        port = served.port()
        served.wait_for("2 arrived")
        (tmp_path / "config.yaml").write_text("site: {title: T}\n", encoding="utf-8")
        served.signal(signal.SIGHUP)
        served.wait_for("config.yaml:1: site.url: missing")
        served.wait_for("the one before is still used")
        write_post(tmp_path, "news")
        until(lambda: "标题 news" in feed_titles(port), "it goes on")
        served.signal(signal.SIGTERM)
        assert served.ends() == 0


def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    """In one line, before anything is done."""
    write_site(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "digest",
            "serve",
            "--config",
            str(tmp_path / "config.yaml"),
            "--port",
            str(port),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        f"digest: 127.0.0.1:{port}: cannot listen there: address already in use; choose another --host or --port\n"
    )
    assert not (tmp_path / "public").exists()


def test_the_supervisor_is_told(tmp_path: Path) -> None:
    """As sd_notify says: ready, alive, reloading, ready again, stopping."""
    write_site(tmp_path)
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(60)

        def hear(word: str) -> None:
            while not heard or word not in heard[-1]:
                heard.append(ear.recv(4096).decode())

        with serving(tmp_path, env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}) as served:
            hear("READY=1")
            hear("WATCHDOG=1")
            served.signal(signal.SIGHUP)
            hear("RELOADING=1\nMONOTONIC_USEC=")
            hear("READY=1")
            hear("WATCHDOG=1")
            served.signal(signal.SIGTERM)
            hear("STOPPING=1")
            assert served.ends() == 0


def test_a_folder_that_is_missing_is_told_and_all_else_goes_on(tmp_path: Path) -> None:
    """Once a post is known: before, it is a mistake in the configuration, and nothing begins."""
    write_site(tmp_path)
    with serving(tmp_path) as served:
        port = served.port()
        served.wait_for("2 arrived")
        (tmp_path / "posts").rename(tmp_path / "elsewhere")
        served.signal(signal.SIGHUP)
        served.wait_for("the run failed.*posts.folder: .* does not exist")
        assert get(port, "/feed.xml")[0] == 200
        served.signal(signal.SIGTERM)
        assert served.ends() == 0


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_store_that_is_taken_away_ends_it(tmp_path: Path, how: str) -> None:
    """What it writes from then on nobody would ever see: it ends with a word, and is started again with the new one."""
    write_site(tmp_path)
    with serving(tmp_path, "--no-web") as served:
        served.wait_for("2 arrived")
        store = tmp_path / "var" / "digest.db"
        if how == "deleted":
            store.unlink()
        else:
            shutil.copy(store, tmp_path / "copy.db")
            (tmp_path / "copy.db").replace(store)
        served.wait_for("digest.db: was deleted or replaced.*; the process ends")
        assert served.ends() == 1
    if how == "deleted":
        assert not store.exists(), "nobody was mailed again, nothing hides the loss"
        with serving(tmp_path, "--no-web") as again:
            assert again.ends() == 2
        assert "digest restore BACKUP" in again.said[-1]
        assert not store.exists()


def test_a_worker_whose_store_is_taken_away_ends(tmp_path: Path) -> None:
    """It would wait for ever on what nobody else sees."""
    write_site(tmp_path)
    config, store = tmp_path / "config.yaml", tmp_path / "var" / "digest.db"
    command = [sys.executable, "-m", "digest"]
    subprocess.run([*command, "run", "--no-mail", "--config", str(config)], check=True, capture_output=True)
    worker = [*command, "deliver", "--config", str(config)]
    with subprocess.Popen(worker, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: list((tmp_path / "var" / "outbox").glob("*.eml")), "the worker is at work")
            store.unlink()
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 1
    assert f"{store}: was deleted or replaced" in said
    assert not store.exists()


def test_a_configuration_that_would_be_refused_is_not_taken_over(tmp_path: Path) -> None:
    """Read again, it names another site; the service goes on with the one before."""
    write_site(tmp_path)
    with serving(tmp_path) as served:
        served.wait_for("2 arrived")
        config = tmp_path / "config.yaml"
        text = config.read_text(encoding="utf-8")
        (tmp_path / "elsewhere").mkdir()
        other = text.replace("folder: posts", "folder: elsewhere").replace("https://", "https://other.")
        assert other != text
        config.write_text(other, encoding="utf-8")
        served.signal(signal.SIGHUP)
        served.wait_for("digest.db: belongs to https://")
        served.wait_for("the one before is still used")
        served.signal(signal.SIGTERM)
        assert served.ends() == 0


def test_whatever_is_asked_of_people_goes_out_at_once(tmp_path: Path) -> None:
    """A sign-up is answered by the worker, without waiting for its next look."""
    write_site(tmp_path, more="subscriptions: {url: 'http://127.0.0.1/mail'}\n")
    with serving(tmp_path) as served:
        port = served.port()
        served.wait_for("2 arrived")
        until(lambda: len(served.mails()) == 1, "the first edition")
        sign_up(served, port)
        until(lambda: len(served.mails()) == 2, "the confirmation")
        served.signal(signal.SIGTERM)
        assert served.ends() == 0


def sign_up(served: Served, port: int) -> None:
    import http.client
    from datetime import UTC, datetime, timedelta
    from urllib.parse import urlencode

    from digest.app.service import service

    with service(served.folder / "config.yaml") as running:
        stamp = running.subscriber_service.signup.stamp(datetime.now(UTC) - timedelta(seconds=30))
    form = {"email": "ann@example.org", "digest": "daily", "frequency": "daily", "stamp": stamp}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/mail/", urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("part", ["mail", "schedule"])
def test_a_part_that_breaks_ends_the_process(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a word about what broke, so that whoever started it starts it again."""
    from digest.service import serving as module
    from digest.service.scheduler import Scheduler

    write_site(tmp_path)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    if part == "mail":
        monkeypatch.setattr(module.Serving, "_send_mail", broken)
    else:
        monkeypatch.setattr(Scheduler, "tick", broken)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        code = module.serve(tmp_path / "config.yaml", module.ServeOptions(web=False), say=print)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert code == 1
    assert f"{part}: it broke; the process ends, so that it is started again" in caplog.text


def test_mail_waits_for_a_store_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once and asked again; the process does not end."""
    from digest.app.assembly import App
    from digest.service import serving as module

    write_site(tmp_path)
    asked: list[App] = []

    def gone(app: App, **_: object) -> None:
        asked.append(app)
        if len(asked) == 3:
            signal.raise_signal(signal.SIGTERM)
        raise StoreError("digest.db", "disk I/O error")

    monkeypatch.setattr("digest.app.service.send_mail", gone)
    monkeypatch.setattr(module, "_STORE_RETRIES", (0.01,))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        code = module.serve(tmp_path / "config.yaml", module.ServeOptions(web=False, schedule=False), say=print)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert code == 0
    assert len(asked) >= 3
    assert caplog.text.count("digest.db: disk I/O error") == 1

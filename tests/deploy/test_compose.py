"""The services of compose.yaml: what they refer to, and their commands as processes, with a real database and relay."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

from digest.config import load
from tests.deploy.commands import understood

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("serve", "deliver")


def test_file_follows_the_specification(tmp_path: Path) -> None:
    """By its published schema."""
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_is_there(name: str) -> None:
    """Networks, volumes, secrets, files, other services."""
    service = SERVICES[name]
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()
    assert set(service.get("depends_on", ())) <= SERVICES.keys()
    for volume in service["volumes"]:
        source = volume.partition(":")[0]
        if source.startswith("./"):
            assert (DEPLOY / source).exists()
        elif not source.startswith("$"):
            assert source in COMPOSE["volumes"]
    build = service.get("build")
    if isinstance(build, str):
        assert (DEPLOY / build / "Dockerfile").is_file()
    elif build is not None:
        assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_closed(name: str) -> None:
    """No service may write to its root, gain rights, or keep any that it does not need."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert not service.get("privileged")
    assert "network_mode" not in service


def test_only_the_service_has_a_port_and_only_here() -> None:
    """The database is on a network without a way out."""
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"serve"}
    assert SERVICES["serve"]["ports"] == ["127.0.0.1:8000:8000"]
    assert COMPOSE["networks"]["store"]["internal"] is True
    assert SERVICES["db"]["networks"] == ["store"]


def test_secrets_are_files_that_git_leaves_alone() -> None:
    """And none of them stands in the file."""
    ignored = (DEPLOY / "compose" / ".gitignore").read_text().splitlines()
    for secret in COMPOSE["secrets"].values():
        assert Path(secret["file"]).name in ignored
    assert "password" not in " ".join(str(SERVICES[name].get("environment")) for name in OURS).lower().replace(
        "pgpassword_file': '/run/secrets/db-password", ""
    )


@pytest.mark.parametrize("name", OURS)
def test_commands_are_ours(name: str) -> None:
    """With the configuration where it is mounted, and health checks that exist."""
    service = SERVICES[name]
    config = str(understood(service["command"])["config"])
    assert f"./compose/config.yaml:{config}:ro" in service["volumes"]
    check = service.get("healthcheck")
    if check is not None:
        assert check["test"][:3] == ["CMD", "digest-entrypoint", "digest"]
        assert str(understood(check["test"][3:])["config"]) == config


def test_configuration_fits_the_services() -> None:
    """Its paths are places that the containers have, and writable where they must be."""
    settings = load(
        DEPLOY / "compose" / "config.yaml", {"DIGEST_STORE": SERVICES["serve"]["environment"]["DIGEST_STORE"]}
    )
    mounts = {mount.split(":")[-2 if mount.endswith(":ro") else -1] for mount in SERVICES["serve"]["volumes"]}
    writable = [mount for mount in mounts if f"{mount}:ro" not in " ".join(SERVICES["serve"]["volumes"])]
    assert str(settings.posts.folder) in mounts
    assert settings.mail.ca_file is not None
    assert str(settings.mail.ca_file.parent) in mounts
    assert settings.mail.host in SERVICES
    for path in (settings.output, settings.subscriptions.secret_file):
        assert any(Path(str(path)).is_relative_to(mount) for mount in writable), path
    assert "@db/" in settings.store.url


# --------------------------------------------------------------- processes


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Provider:
    """The mail provider behind the relay: wants TLS and a login, keeps what it takes."""

    def __init__(self, folder: Path) -> None:
        self.mails: list[tuple[list[str], Message]] = []
        certificate = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
        ]
        keys = ["-keyout", str(folder / "provider.key"), "-out", str(folder / "provider.pem")]
        subprocess.run([*certificate, *keys], check=True, capture_output=True, timeout=60)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "provider.pem", folder / "provider.key")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        from email import message_from_bytes

        self.mails.append((list(envelope.rcpt_tos), message_from_bytes(envelope.content)))
        return "250 2.0.0 taken"


@contextmanager
def provider(folder: Path) -> Iterator[tuple[Provider, int]]:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    handler = Provider(folder)
    logins: list[bytes] = []

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        logins.append(data.login + b":" + data.password)
        return AuthResult(success=data.login == b"digest" and data.password == b"pass:word")

    controller = Controller(
        handler,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=handler.context,
        require_starttls=True,
        auth_required=True,
        authenticator=login,
    )
    controller.start()
    try:
        yield handler, controller.port
    finally:
        controller.stop()


@contextmanager
def relay(folder: Path, upstream: int) -> Iterator[int]:
    """start.sh as it is in the image, with other folders and another port."""
    port = free_port()
    parts = folder / "etc"
    parts.mkdir()
    for name in ("main.cf", "master.cf"):
        text = (DEPLOY / "relay" / name).read_text(encoding="utf-8")
        text = text.replace("/var/spool/postfix", str(folder / "spool")).replace("/run/relay", str(folder / "run"))
        (parts / name).write_text(re.sub(r"^587 ", f"127.0.0.1:{port} ", text, flags=re.M), encoding="utf-8")
    for name in ("spool", "tls"):
        (folder / name).mkdir()
    script = (DEPLOY / "relay" / "start.sh").read_text(encoding="utf-8")
    for place, mine in (("/etc/digest-relay", parts), ("/run/relay", folder / "run"), ("/tls", folder / "tls")):
        script = script.replace(f"{place}/", f"{mine}/").replace(f"={place}\n", f"={mine}\n")
    (folder / "start.sh").write_text(script, encoding="utf-8")
    (folder / "login").write_text("digest:pass:word\n")
    env = {
        "PATH": os.environ["PATH"],
        "RELAY_HOST": f"[127.0.0.1]:{upstream}",
        "RELAY_LOGIN_FILE": str(folder / "login"),
        "RELAY_SECURITY": "encrypt",  # the provider's certificate is made up
        "RELAY_NAME": "localhost",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["sh", str(folder / "start.sh")], env=env, stdout=log, stderr=log)
    try:
        wait_for(lambda: (folder / "run/main.cf").is_file() and answers(port), (folder / "log").read_text)
        yield port
    finally:
        subprocess.run(["postfix", "-c", str(folder / "run"), "stop"], capture_output=True, timeout=60)
        process.wait(timeout=60)


def answers(port: int) -> bool:
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as connection,
            connection.makefile("rb") as said,
        ):
            return said.readline().startswith(b"220")
    except OSError:
        return False


def wait_for(met: Callable[[], object], why: Callable[[], str] = lambda: "") -> None:
    for _ in range(900):
        if met():
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing happened in time {why()}")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Postfix works under an account of its own, which has to get in."""
    place = Path(tempfile.mkdtemp(prefix="digest-compose-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.postgres
def test_services_publish_and_send(folder: Path, postgres_url: str) -> None:
    """The commands of serve and deliver, beside each other on PostgreSQL, their mail through the relay to a provider
    that wants TLS and a login: the feed is shown, and the one mail arrives once."""
    if shutil.which("postfix") is None:
        pytest.skip("needs postfix")
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root; what root may do is not there")
    (folder / "site" / "_posts").mkdir(parents=True)
    shutil.copy(ROOT / "examples/archive/_posts/2026-11-21-markdown-body.md", folder / "site" / "_posts")
    with ExitStack() as stack:
        box, upstream = stack.enter_context(provider(folder))
        (folder / "relay").mkdir()
        port = stack.enter_context(relay(folder / "relay", upstream))
        config = configured(folder, port)
        web = free_port()
        processes = [stack.enter_context(started(name, folder, config, postgres_url, web)) for name in OURS]
        wait_for(lambda: box.mails and shown(web), lambda: (folder / "relay" / "log").read_text()[-2000:])
        assert healthy(web)
        for process in reversed(processes):
            process.terminate()
            assert process.wait(timeout=90) == 0
    [(recipients, mail)] = box.mails
    assert recipients == ["reader@example.com"]
    assert mail["From"] == "Daily News <digest@news.example.com>"


def healthy(port: int) -> bool:
    """What the image's health check says of the service."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^HEALTHCHECK [^\[]*(\[.*\])$", text, re.MULTILINE)
    assert found
    words = json.loads(found[1])
    check = [sys.executable, words[1], words[2].replace(":8000/", f":{port}/")]
    return subprocess.run(check, capture_output=True, timeout=60).returncode == 0


def configured(folder: Path, port: int) -> Path:
    """The configuration of compose, with the paths and the relay of this machine."""
    text = (DEPLOY / "compose" / "config.yaml").read_text(encoding="utf-8")
    for place, mine in {
        "folder: /site": f"folder: {folder / 'site'}",
        "host: relay": "host: localhost",
        "port: 587": f"port: {port}",
        "/relay-tls/": f"{folder / 'relay' / 'tls'}/",
        "/data/": f"{folder / 'data'}/",
    }.items():
        assert place in text
        text = text.replace(place, mine)
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def started(name: str, folder: Path, config: Path, store: str, web: int) -> Iterator[subprocess.Popen[bytes]]:
    """A service's command in its environment, by the image's entrypoint."""
    service = SERVICES[name]
    words = [str(config) if word == "/etc/digest/config.yaml" else word for word in service["command"]]
    words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]
    if name == "serve":
        words += ["--port", str(web)]
    (folder / "db-password").write_text("secret")
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        **service["environment"],
        "DIGEST_STORE": store,
        "PGPASSWORD_FILE": str(folder / "db-password"),
    }
    command = ["sh", str(DEPLOY / "entrypoint.sh"), sys.executable, "-m", "digest", *words]
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def shown(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/feed.json", timeout=60) as answer:
            return bool(json.load(answer)["items"])
    except (OSError, ValueError):
        return False

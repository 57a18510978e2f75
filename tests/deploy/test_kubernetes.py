"""The manifests for Kubernetes: valid, closed, what they refer to is there; and their commands as processes."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from digest.config import load
from tests.deploy.commands import understood

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text(encoding="utf-8"))
FILES = [*KUSTOMIZATION["resources"], "secret.example.yaml"]
OBJECTS: list[dict[str, Any]] = [
    item for name in FILES for item in yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8"))
]


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in OBJECTS if item["kind"] == kind}


def pod(item: dict[str, Any]) -> dict[str, Any]:
    """The template of a workload's pods."""
    spec = item["spec"]
    found: dict[str, Any] = (spec["jobTemplate"]["spec"] if item["kind"] == "CronJob" else spec)["template"]
    return found


WORKLOADS = {**named("CronJob"), **named("Deployment")}
PODS = {name: pod(item) for name, item in WORKLOADS.items()}


def container(name: str) -> dict[str, Any]:
    [found] = PODS[name]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("item", OBJECTS, ids=lambda item: f"{item['kind']} {item['metadata']['name']}")
def test_objects_follow_their_schemas(item: dict[str, Any]) -> None:
    """The published ones, with no key that they do not know."""
    validate = pytest.importorskip("kubernetes_validate")
    validate.validate(item, "1.31", strict=True)


def test_kustomization_names_every_file() -> None:
    """But the example of a secret, which must not be applied."""
    there = {path.name for path in DEPLOY.glob("*.yaml")}
    assert there == {*FILES, "kustomization.yaml", "config.yaml"}
    assert "secret.example.yaml" not in KUSTOMIZATION["resources"]


def test_the_three_parts_are_what_they_should_be() -> None:
    """A run by the clock, one that shows, one that sends."""
    assert set(named("CronJob")) == {"digest-run"}
    assert set(named("Deployment")) == {"digest-serve", "digest-deliver"}
    run = named("CronJob")["digest-run"]["spec"]
    assert run["concurrencyPolicy"] == "Forbid"
    assert run["jobTemplate"]["spec"]["backoffLimit"] == 0


@pytest.mark.parametrize("name", WORKLOADS)
def test_what_a_pod_names_is_there(name: str) -> None:
    """Maps, claims, the secret, the account, the image; and every volume is mounted."""
    spec = PODS[name]["spec"]
    maps = {each["name"] for each in KUSTOMIZATION["configMapGenerator"]}
    for volume in spec["volumes"]:
        if "configMap" in volume:
            assert volume["configMap"]["name"] in maps
        if "persistentVolumeClaim" in volume:
            assert volume["persistentVolumeClaim"]["claimName"] in named("PersistentVolumeClaim")
    mounted = {mount["name"] for mount in container(name)["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}
    assert spec["serviceAccountName"] in named("ServiceAccount")
    assert [each["secretRef"]["name"] for each in container(name)["envFrom"]] == list(named("Secret"))
    assert container(name)["image"] in {image["name"] for image in KUSTOMIZATION["images"]}


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_are_restricted(name: str) -> None:
    """As the namespace's Pod Security Standard demands, and a root that cannot be written."""
    spec = PODS[name]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container(name)["resources"]["limits"]
    user = re.search(r"^USER (\d+):", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    assert user
    assert spec["securityContext"]["runAsUser"] == int(user[1])


def test_selectors_find_their_pods() -> None:
    """And the service, the budget and the policies find those of the right part."""
    for name, item in named("Deployment").items():
        assert item["spec"]["selector"]["matchLabels"] == PODS[name]["metadata"]["labels"]
    serve = PODS["digest-serve"]["metadata"]["labels"]
    assert named("Service")["digest"]["spec"]["selector"] == serve
    assert named("PodDisruptionBudget")["digest-serve"]["spec"]["selector"]["matchLabels"] == serve
    policies = named("NetworkPolicy")
    assert policies["digest-serve"]["spec"]["podSelector"]["matchLabels"] == serve
    everybody = policies["digest"]["spec"]["podSelector"]["matchLabels"].items()
    assert all(everybody <= template["metadata"]["labels"].items() for template in PODS.values())


def test_nothing_comes_in_but_to_the_port_that_serves() -> None:
    """The policy over all pods allows no connection in."""
    assert "ingress" not in named("NetworkPolicy")["digest"]["spec"]
    [allowed] = named("NetworkPolicy")["digest-serve"]["spec"]["ingress"]
    [port] = container("digest-serve")["ports"]
    assert allowed["ports"] == [{"port": port["name"], "protocol": "TCP"}]
    assert named("Service")["digest"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert understood(container("digest-serve")["args"])["port"] == port["containerPort"]


def test_ways_out_are_those_that_the_configuration_needs() -> None:
    """Names, database, mail."""
    out = {each["port"] for rule in named("NetworkPolicy")["digest"]["spec"]["egress"] for each in rule["ports"]}
    assert {53, 5432, settings().mail.port, 443} <= out


def settings() -> Any:
    secret = named("Secret")["digest"]["stringData"]
    return load(DEPLOY / "config.yaml", {"DIGEST_STORE": secret["DIGEST_STORE"]})


@pytest.mark.parametrize("name", WORKLOADS)
def test_commands_and_paths_fit(name: str) -> None:
    """The command is one of ours, and finds its configuration and its folders."""
    arguments = understood(container(name)["args"])
    mounts = {mount["mountPath"]: mount for mount in container(name)["volumeMounts"]}
    assert str(arguments["config"].parent) in mounts
    if name != "digest-deliver":
        assert str(settings().posts.folder) in mounts
        assert not mounts[str(settings().output)].get("readOnly")


def test_names_in_the_secret_are_read_by_the_program() -> None:
    """No name is a misspelt one."""
    from digest.app.secret import VARIABLE
    from digest.config.loading import STORE_VARIABLE

    assert set(named("Secret")["digest"]["stringData"]) == {STORE_VARIABLE, VARIABLE, settings().mail.password_env}


# --------------------------------------------------------------- processes


@pytest.mark.slow
@pytest.mark.postgres
def test_parts_work_together(tmp_path: Path, postgres_url: str) -> None:
    """The commands of all three on one database: what serves is alive, and ready once a run has published; the mail
    leaves once."""
    (tmp_path / "site" / "_posts").mkdir(parents=True)
    shutil.copy(ROOT / "examples/archive/_posts/2026-11-21-markdown-body.md", tmp_path / "site" / "_posts")
    text = (DEPLOY / "config.yaml").read_text(encoding="utf-8")
    for place, mine in {
        "folder: /site": f"folder: {tmp_path / 'site'}",
        "output: /public": f"output: {tmp_path / 'public'}",
        "/data/": f"{tmp_path}/data/",
        "transport: smtp": f"transport: folder\n  folder: {tmp_path / 'outbox'}",
    }.items():
        assert place in text
        text = text.replace(place, mine)
    config = tmp_path / "config.yaml"
    config.write_text(text, encoding="utf-8")
    secret = base64.urlsafe_b64encode(os.urandom(33)).decode()[:43]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DIGEST_STORE": postgres_url, "DIGEST_SECRET": secret}
    port = free_port()
    with (
        started("digest-serve", config, env, port) as serve,
        started("digest-deliver", config, env, port) as deliver,
    ):
        for kind in ("startupProbe", "livenessProbe"):
            wait_for(partial(asked, port, probe(kind)))
        done = subprocess.run(words("digest-run", config, port), env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        wait_for(partial(asked, port, probe("readinessProbe")))
        wait_for(lambda: json.loads(asked(port, "/feed.json") or "{}").get("items"))
        wait_for(lambda: list((tmp_path / "outbox").glob("*.eml")))
        for process in (serve, deliver):
            process.terminate()
            assert process.wait(timeout=90) == 0
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 1


def probe(kind: str) -> str:
    """The path that is asked."""
    path: str = container("digest-serve")[kind]["httpGet"]["path"]
    return path


def words(name: str, config: Path, port: int) -> list[str]:
    changed = {"/etc/digest/config.yaml": str(config), "0.0.0.0": "127.0.0.1", "8000": str(port)}
    return [sys.executable, "-m", "digest", *(changed.get(word, word) for word in container(name)["args"])]


@contextmanager
def started(name: str, config: Path, env: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(words(name, config, port), env=env, cwd=config.parent, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def asked(port: int, path: str) -> str | None:
    """What a path answers with 200; None for anything else."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            text: str = answer.read().decode()
            return text
    except (OSError, urllib.error.HTTPError):
        return None


def wait_for(met: Callable[[], object]) -> None:
    for _ in range(600):
        if met():
            return
        time.sleep(0.1)
    raise AssertionError("nothing happened in time")

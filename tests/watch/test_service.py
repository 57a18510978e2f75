"""A service that is watched: health, figures, alarms, pings and logs of a real ``digest serve``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from digest.jobs.belonging import MARK
from tests.run.site_folder import CONFIG, Site
from tests.watch.serving import Process, serving
from tests.watch.watched import Pinged

TOKEN = "a-token-of-the-operator"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def service(site: Site) -> Iterator[Process]:
    site.some_posts()
    with serving(site.folder) as process:
        yield process


def figures(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_health_says_one_word(service: Process) -> None:
    """To everybody, by GET and HEAD, and nothing about why."""
    assert service.ask("/healthz")[:2] == (200, "ok\n")
    service.wait_for(lambda: service.ask("/readyz")[0] == 200)
    status, text, headers = service.ask("/readyz", headers={"X-Forwarded-For": "203.0.113.9"})
    assert (status, text, headers["cache-control"]) == (200, "ok\n", "no-store")
    assert service.ask("/healthz", "HEAD")[:2] == (200, "")
    assert service.ask("/healthz", "POST")[0] == 405
    service.wait_for((service.folder / "public" / MARK).exists)  # nothing is written after it
    (service.folder / "public").rename(service.folder / "elsewhere")

    def is_told() -> bool:
        shutil.rmtree(service.folder / "public", ignore_errors=True)  # a run may put a file there once more
        return service.ask("/readyz")[0] == 503

    assert service.wait_for(is_told)
    assert service.ask("/readyz")[1] == "not now\n"
    assert service.ask("/healthz")[0] == 200


def test_figures_are_for_this_machine(service: Process) -> None:
    """Not for what came through a proxy, nor for a name that is not the machine's."""
    service.wait_for(lambda: figures(service.ask("/metrics")[1])["digest_runs_total", (("result", "ok"),)] >= 1)
    status, text, headers = service.ask("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    found = figures(text)
    assert found["digest_posts", ()] == 3
    assert found["digest_runs_total", (("result", "failed"),)] == 0
    assert found["digest_runs_total", (("result", "ok"),)] >= 1
    assert found["digest_posts_collected_total", ()] == 3
    assert found["digest_files_written_total", ()] > 10
    assert found["digest_run_seconds_count", ()] >= 1
    assert found["digest_newest_post_age_seconds", (("category", "macro"), ("feed", "feed/macro.xml"))] > 0
    assert found["digest_published_age_seconds", (("category", "all posts"), ("feed", "feed.xml"))] < 600
    assert found["digest_slot_late", (("digest", "daily"),)] == 0
    assert found["digest_beat_age_seconds", (("part", "mail"),)] < 60
    assert found["digest_send_errors_recent", (("class", "dead"),)] == 0
    assert {state for name, labels in found if name == "digest_deliveries" for _, state in labels} >= {"sent", "queued"}
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"Via": "1.1 x"}, {"Host": "news.example.com"}):
        assert service.ask("/metrics", headers=headers)[:2] == (404, "not here\n")


def test_with_a_token_figures_are_for_whoever_has_it(site: Site) -> None:
    """From anywhere; without it for nobody, this machine included; and not for a thousand guesses."""
    with serving(site.folder, "--no-schedule", env={"DIGEST_WATCH_TOKEN": TOKEN}) as service:
        assert service.ask("/metrics")[0] == 404
        bearer = {"Authorization": f"Bearer {TOKEN}", "Host": "news.example.com", "X-Forwarded-For": "203.0.113.9"}
        assert service.ask("/metrics", headers=bearer)[0] == 200
        for _ in range(12):
            assert service.ask("/metrics", headers={"Authorization": "Bearer wrong"})[0] == 404
        assert service.ask("/metrics", headers=bearer)[0] == 200, "the guesses of others keep nobody out"
        assert TOKEN not in service.err + service.out


def test_a_short_token_is_refused(site: Site) -> None:
    result = site.command("serve", "--port", "0", prefix=("env", "DIGEST_WATCH_TOKEN=short"))
    assert result.code == 2
    assert result.err.startswith("digest: environment: DIGEST_WATCH_TOKEN is no token of 16 letters")


def told(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())


@pytest.mark.slow
@pytest.mark.long
def test_a_service_pings_and_raises_alarms(site: Site, pings: Pinged) -> None:
    """A run that fails is told by ping and mail; the next good one ends the alarm. The log is JSON, and says no
    address."""
    keys = "".join(f"  ping_{kind}: {pings.url}/{kind}\n" for kind in ("start", "success", "fail"))
    config = CONFIG.replace("posts:\n", 'posts:\n  schedule: "every 1 minute"\n', 1)
    site.some_posts()
    assert site.run().code == 0
    site.configure(f"{config}watch:\n  mail: ops@example.com\n{keys}")
    hidden = site.folder / "hidden"
    site.posts.parent.rename(hidden)
    with serving(site.folder) as service:
        service.wait_for(lambda: "/fail" in pings.asked)
        # By the time of the day a slot may be late, too, and is told of with it or before.
        service.wait_for(lambda: any("the run failed: " in told(mail) for mail in alarms(site)))
        assert pings.asked[:2] == ["/start", "/fail"]
        before = len(alarms(site))
        shutil.move(hidden, site.posts.parent)
        service.wait_for(lambda: "/success" in pings.asked, 130)
        service.wait_for(lambda: len(alarms(site)) > before)
        service.wait_for(lambda: service.ask("/readyz")[0] == 200)
        logged = service.logged()
    assert {line["level"] for line in logged} >= {"info", "error"}
    assert any(line["logger"].startswith("digest.") and "run failed" in line["message"] for line in logged)
    assert "@example.com" not in service.err.replace("***@example.com", "")
    assert "ping 127.0.0.1" not in service.err


def test_a_failed_run_is_told_at_once(site: Site, pings: Pinged) -> None:
    """By ping and mail, while the service goes on."""
    keys = "".join(f"  ping_{kind}: {pings.url}/{kind}\n" for kind in ("start", "success", "fail"))
    site.post()
    assert site.run().code == 0
    site.configure(f"{CONFIG}watch:\n  mail: ops@example.com\n{keys}")
    shutil.rmtree(site.posts.parent)
    with serving(site.folder) as service:
        service.wait_for(lambda: "/fail" in pings.asked and alarms(site))
        assert pings.asked == ["/start", "/fail"]
        assert service.ask("/healthz")[0] == 200
        assert service.ask("/readyz")[0] == 200, "readers get what there is"
        assert figures(service.ask("/metrics")[1])["digest_alarms", (("kind", "run"),)] == 1


def alarms(site: Site) -> list[EmailMessage]:
    files = sorted((site.folder / "var" / "outbox").glob("alarm-*.eml"), key=lambda path: path.stat().st_mtime_ns)
    return [BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in files]

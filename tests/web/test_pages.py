"""The subscription pages over real HTTP: what they show, what they do, what they refuse."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import time
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from digest.subscribers.subscription import Choice, Frequency, Less, Subscriber
from digest.web import forms
from digest.web import pages as pages_module
from tests.web.files_server import next_answer
from tests.web.web_server import CONFIG, Answer, Served, link, links, serving

ONE_CLICK = b"List-Unsubscribe=One-Click"


def active(served: Served, address: str = "ann@example.org") -> list[str]:
    return [each.digest for each in served.running.subscriber_service.people.find(address).active]


def test_from_the_form_to_leaving(served: Served) -> None:
    """Two clicks to join, one to leave."""
    form = served.ask("/mail/")
    assert form.status == 200
    assert "早报" in form.text
    answer = served.sign_up()
    assert (answer.status, answer.heading) == (200, "请查看您的邮箱")
    (mail,) = served.mails(1)
    confirm = link(mail)
    assert served.ask(confirm).heading == "确认订阅"
    assert active(served) == []
    assert served.ask(confirm, form={"action": "confirm"}).heading == "订阅成功"
    assert active(served) == ["daily"]
    assert served.ask(confirm, form={"action": "confirm"}).heading == "订阅成功"
    leave = served.unsubscribe_link()
    assert served.ask(leave).heading == "退订"
    assert active(served) == ["daily"]
    assert served.ask(leave, form={"action": "leave"}).heading == "您已退订"
    assert active(served) == []


def test_the_address_without_its_slash_works_too(served: Served) -> None:
    assert served.ask("/mail").heading == served.ask("/mail/").heading != ""


def test_what_is_chosen_is_kept(served: Served) -> None:
    """Digests, categories and frequency of the form."""
    answer = served.ask(
        "/mail/",
        form=[
            ("email", "ann@example.org"),
            *(("digest", name) for name in ("daily", "evening", "unknown")),
            ("in daily", "macro"),
            ("in daily", "unknown"),
            ("frequency", "weekly"),
            ("stamp", served.stamp()),
        ],
    )
    assert answer.status == 200
    (mail,) = served.mails(1)
    assert "宏观" in served.ask(link(mail)).text
    served.ask(link(mail), form={"action": "confirm"})
    reader = served.running.subscriber_service.people.find("ann@example.org")
    assert [(each.digest, each.categories) for each in reader.active] == [("daily", ("macro",)), ("evening", ())]
    assert reader.preferences.frequency is Frequency.WEEKLY


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"email": "no address"}, 400, "邮箱地址，请检查"),
        ({"email": "ann@example.org\r\nBcc: eve@example.org"}, 400, "邮箱地址，请检查"),
        ({"digest": "unknown"}, 400, "至少选择一项"),
        ({"stamp": "x"}, 400, "再按一次"),
        ({"stamp": ""}, 400, "再按一次"),
    ],
)
def test_mistakes_are_explained_and_what_was_typed_stays(
    served: Served, fields: dict[str, str], status: int, says: str
) -> None:
    answer = served.sign_up(**{"frequency": "weekly", **fields})
    assert answer.status == status
    assert says in answer.text
    assert 'value="weekly" checked' in answer.text
    assert served.running.subscriber_service.store.unhandled() == []


def test_one_answer_for_everybody(served: Served) -> None:
    """Byte for byte the same for an unknown, a pending, an active and a suppressed address, and for a program: but for
    the address, which is the one that was typed."""
    served.join("active@example.org")
    served.sign_up("pending@example.org")
    served.mails(2)
    served.running.subscriber_service.people.suppress(
        "suppressed@example.org", "", served.running.subscriber_service.store.clock(_now())
    )
    people = ("unknown", "pending", "active", "suppressed")
    typed: dict[str, dict[str, str]] = {f"{who}@example.org": {} for who in people}
    typed["robot@example.org"] = {"website": "x"}
    told = [(address, served.sign_up(address, **more)) for address, more in typed.items()]
    answers = [answer for _, answer in told]
    assert len({(answer.status, answer.text.replace(address, "it")) for address, answer in told}) == 1
    assert len({tuple(name for name in each.headers if name != "date") for each in answers}) == 1
    assert sorted(str(mail["To"]) for mail in served.mails(5)) == [
        *("active@example.org", "active@example.org", "pending@example.org", "pending@example.org"),
        "unknown@example.org",
    ]


def _now():
    from datetime import UTC, datetime

    return datetime.now(UTC)


def test_scanners_change_nothing(served: Served) -> None:
    """GET and HEAD of every link in every kind of mail, many times. Links that are used up show nothing."""
    mails = served.every_mail()
    places = {each for mail in mails for each in links(mail)}
    assert len(places) >= 10
    before = served.state()
    opened = 0
    for place in places:
        for method in ("GET", "HEAD", "GET"):
            answer = served.ask(place, method, headers={"User-Agent": "Mozilla/5.0 (gateway)", "Accept": "*/*"})
            assert answer.status in (200, 404)
            assert (method == "HEAD") is (answer.body == b"")
        opened += answer.status == 200
    assert opened >= len(places) - 3
    for place in places:
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            assert served.ask(place, method).status == 405
    assert served.state() == before


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", ONE_CLICK),
        ("application/x-www-form-urlencoded; charset=utf-8", ONE_CLICK),
        (
            "multipart/form-data; boundary=BB",
            b'--BB\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--BB--\r\n',
        ),
        ("text/plain", b"x"),
        ("application/x-www-form-urlencoded", b""),
        ("multipart/form-data", b"rubbish"),
    ],
)
def test_one_click(served: Served, kind: str, body: bytes) -> None:
    """No cookie, no page before it, any body; 200 with no redirect, any number of times; one list ends."""
    served.join()
    served.sign_up("ann@example.org", digest="evening")
    served.ask(link(served.mails(2)[-1]), form={"action": "confirm"})
    assert active(served) == ["daily", "evening"]
    place = served.unsubscribe_link()
    for _ in range(3):
        answer = served.ask(place, "POST", body=body, headers={"Content-Type": kind})
        assert answer.status == 200
        assert "location" not in answer.headers
        assert "set-cookie" not in answer.headers
    assert active(served) == ["evening"]


def test_everything(served: Served) -> None:
    """The page offers to end all of them."""
    served.join()
    served.sign_up("ann@example.org", digest="evening")
    served.ask(link(served.mails(2)[-1]), form={"action": "confirm"})
    place = served.unsubscribe_link()
    assert "退订全部" in served.ask(place).text
    answer = served.ask(place, form={"action": "everything"})
    assert active(served) == []
    assert "退订全部" not in answer.text


def test_even_another_sites_form_may_unsubscribe(served: Served) -> None:
    """Whoever has the link may leave; mail programs send what they like."""
    served.join()
    headers = {"Origin": "https://mail.example.net", "Sec-Fetch-Site": "cross-site"}
    assert served.ask(served.unsubscribe_link(), form={}, headers=headers).status == 200
    assert active(served) == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
def test_forms_of_other_sites_are_refused(served: Served, headers: dict[str, str]) -> None:
    """CSRF: sign-up, confirmation and preferences; the same without a foreign mark is fine."""
    manage = served.join()
    before = served.state()
    fields = {"email": "b@example.org", "digest": "daily", "stamp": served.stamp()}
    assert served.ask("/mail/", form=fields, headers=headers).status == 403
    assert served.ask(manage, form={"action": "everything"}, headers=headers).status == 403
    assert served.state() == before
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
    assert served.ask(manage, form={"action": "everything"}, headers=own).status == 200
    assert active(served) == []
    assert served.ask("/mail/", form=fields, headers={"Origin": f"http://127.0.0.1:{served.port}"}).status == 200


def test_data_and_erasing_take_a_mailed_link(served: Served) -> None:
    """From the preferences a link is mailed; that link works once."""
    manage = served.join()
    answer = served.ask(manage, form={"action": "export"})
    assert "链接已发往您的邮箱" in answer.text
    place = link(served.mails(2)[-1])
    assert served.ask(place).heading == "您的数据"
    data = served.ask(place, form={"action": "export"})
    assert data.headers["content-type"] == "application/json"
    assert "attachment" in data.headers["content-disposition"]
    assert json.loads(data.body)["subscriber"]["address"] == "ann@example.org"
    assert served.ask(place).status == served.ask(place, form={"action": "export"}).status == 404

    served.ask(manage, form={"action": "erase"})
    place = link(served.mails(3)[-1])
    assert served.ask(place, form={"action": "export"}).heading == "删除我的数据", "the wrong button"
    assert served.ask(place, form={"action": "erase"}).heading == "您的数据已删除"
    assert served.ask(manage).status == 404
    assert served.ask(place, form={"action": "erase"}).status == 404
    assert "ann@example.org" not in served.state()


def test_a_new_address_takes_three_mails(served: Served) -> None:
    """From the preferences a link is mailed; behind it the new address is typed; there it is confirmed; the old one
    is told. Each link works once."""
    manage = served.join()
    assert "链接已发往您的邮箱" in served.ask(manage, form={"action": "move"}).text
    form = link(served.mails(2)[-1])
    assert served.ask(form).heading == "更改邮箱地址"
    wrong = served.ask(form, form={"action": "move", "email": "no address"})
    assert (wrong.status, 'value="no address"' in wrong.text) == (400, True)
    assert served.ask(form, form={"action": "move", "email": "neu@example.net"}).heading == "请查看您的邮箱"
    assert served.ask(form).status == served.ask(form, form={"action": "move", "email": "x@example.net"}).status == 404
    asked = served.mails(3)[-1]
    assert asked["To"] == "neu@example.net"
    confirm = link(asked)
    assert served.ask(confirm).heading == "确认新邮箱地址"
    assert active(served) == ["daily"]
    assert served.ask(confirm, form={"action": "other"}).heading == "确认新邮箱地址"
    assert served.ask(confirm, form={"action": "arrive"}).heading == "邮箱地址已更改"
    assert served.ask(confirm, form={"action": "arrive"}).status == 404
    assert active(served, "neu@example.net") == ["daily"]
    assert served.mails(4)[-1]["To"] == "ann@example.org"
    assert served.ask(manage).status == 200


def test_too_many_links_a_day(served: Served) -> None:
    manage = served.join()
    for _ in range(3):
        assert "链接已发往您的邮箱" in served.ask(manage, form={"action": "export"}).text
    assert "过多" in served.ask(manage, form={"action": "export"}).text


def test_preferences(served: Served) -> None:
    """Saved, shown again, and read by others as they were meant; nonsense is as if it were not there."""
    manage = served.join()
    page = served.ask(manage).text
    assert 'value="Europe/Berlin"' in page
    form = [
        ("action", "save"),
        ("digest", "daily"),
        ("in daily", "stocks"),
        ("frequency", "weekly"),
        ("hour", "7"),
        ("zone", "Europe/Berlin"),
        ("paused_until", "2099-12-24"),
    ]
    answer = served.ask(manage, form=form)
    assert "已保存" in answer.text
    for shown in (
        'value="7" selected',
        'value="Europe/Berlin" selected',
        'value="2099-12-24"',
        'value="weekly" checked',
    ):
        assert shown in answer.text
    reader = served.running.subscriber_service.people.find("ann@example.org")
    assert reader.active[0].categories == ("stocks",)
    nonsense = [("action", "save"), ("digest", "daily"), ("hour", "99"), ("zone", "Mars"), ("paused_until", "x")]
    served.ask(manage, form=nonsense)
    preferences = served.running.subscriber_service.people.find("ann@example.org").preferences
    assert (preferences.hour, preferences.zone, preferences.paused_until) == (None, "", None)
    for day in ("0001-01-01", "9999-12-31"):
        assert served.ask(manage, form=[("action", "save"), ("digest", "daily"), ("paused_until", day)]).status == 200
    assert served.ask(manage, form={"action": "what"}).status == 200
    served.ask(manage, form={"action": "everything"})
    assert active(served) == []
    assert "没有任何订阅" in served.ask(manage).text


def test_links_that_are_worth_nothing_get_one_answer(served: Served) -> None:
    """Unknown, forged, cut, of another purpose: the same page and status, shown or pressed."""
    place = served.unsubscribe_link() if served.join() else ""
    genuine = place.rpartition("/")[2]
    wrong = [
        "x",
        "A" * 35,
        genuine[:-1],
        genuine[:-1] + "B",
        genuine + "A",
        served.stamp(),
        "%00",
        "%F0%9F%98%80",
    ]
    answers = [served.ask(f"/mail/{each}") for each in wrong] + [served.ask(f"/mail/{each}", form={}) for each in wrong]
    assert {each.status for each in answers} == {404}
    assert len({each.body for each in answers}) == 1
    assert active(served) == ["daily"]


def pages(served: Served) -> dict[str, str]:
    manage = served.join()
    served.ask(manage, form={"action": "export"})
    served.ask(manage, form={"action": "erase"})
    served.sign_up("bob@example.org")
    mails = served.mails(4)
    served.move_to(manage, "new@example.org")
    served.ask(manage, form={"action": "move"})
    moving = served.mails(7)
    return {
        "arrive": link(moving[5]),
        "move": link(moving[6]),
        "form": "/mail/",
        "manage": manage,
        "unsubscribe": served.unsubscribe_link(),
        "export": link(mails[1]),
        "erase": link(mails[2]),
        "confirm": link(mails[3]),
        "nothing": "/mail/x",
    }


def test_headers_of_every_page(served: Served) -> None:
    """Not cached, no Referer, not indexed (the form may be), not framed, no script; styles by their hash only."""
    for name, place in pages(served).items():
        answer = served.ask(place)
        headers = answer.headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert ("noindex" in headers.get("x-robots-tag", "")) is (name != "form")
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        for style in re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
        assert "set-cookie" not in headers
        assert "<script" not in answer.text
        assert not re.search(r'(src|href)="(?!https://news\.example\.com|/mail/|http://127)', answer.text)


def test_titles_and_categories_are_escaped(served: Served) -> None:
    """What the operator, a post or a visitor calls something is text on every page."""
    for place in pages(served).values():
        text = served.ask(place).text
        assert "<b>早报" not in text
        assert "<script>alert" not in text
    evil = '"><script>alert(1)</script>'
    assert "<script>" not in served.sign_up(evil).text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9", 200),
        ("LOCALHOST", 200),
        ("news.example.com", 200),
        ("[::1]", 200),
        ("evil.example", 421),
        ("", 421),
        ("news.example.com.evil.example", 421),
        ("[", 421),
        ("a@127.0.0.1", 200),
    ],
)
def test_hosts_that_are_not_ours_are_refused(served: Served, host: str, status: int) -> None:
    assert served.ask("/mail/", headers={"Host": host}).status == status


def test_large_and_endless_forms_are_refused(served: Served) -> None:
    """Over 64 KB, by its length or by what comes; too many fields."""
    big = b"email=" + b"x" * forms.BODY_LIMIT
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert served.ask("/mail/", "POST", body=big, headers=headers).status == 413
    many = b"&".join([b"a=1"] * (forms.FIELDS_LIMIT + 1))
    assert served.ask("/mail/", "POST", body=many, headers=headers).status == 413
    served.join()
    assert served.ask(served.unsubscribe_link(), "POST", body=big, headers=headers).status == 413
    assert served.ask(served.url + "/" + "A" * 35, "POST", body=big, headers=headers).status == 404


def test_nothing_is_read_for_a_link_that_is_worth_nothing(served: Served) -> None:
    """Nor for another site's form: the answer comes before the body."""
    served.join()
    manage = served.running.subscriber_service.links.manage(
        served.running.subscriber_service.people.find("ann@example.org").key
    )
    for place, more, status in (
        (f"/mail/{'A' * 35}", b"", 404),
        ("/mail/", b"Sec-Fetch-Site: cross-site\r\n", 403),
        (manage.partition("/mail")[1] + manage.partition("/mail")[2], b"Origin: https://evil.example\r\n", 403),
        ("/mail/", b"Origin: http://[\r\n", 403),
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=60) as client:
            head = b"POST " + place.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + more
            client.sendall(head + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n")
            assert client.recv(12) == f"HTTP/1.1 {status}".encode()


def test_a_visitor_sends_sixty_forms_a_minute(served: Served) -> None:
    """Whatever is in them; links that are good work all the same, and so does another visitor."""
    served.join()
    leave = served.unsubscribe_link()
    answers = [served.ask("/mail/x" if n % 2 else "/mail/", "POST", body=b"x") for n in range(pages_module.FORMS_EACH)]
    assert {each.status for each in answers[:-1]} == {400, 404}
    last = served.ask("/mail/", "POST", body=b"x")
    assert (last.status, last.headers["retry-after"], last.text) == (429, "60", "too many requests\n")
    assert served.ask("/mail/").status == 200
    assert served.ask(leave, "POST", body=ONE_CLICK).heading == "您已退订"


def test_slow_forms_are_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that never ends holds nothing for long."""
    monkeypatch.setattr(forms, "BODY_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as slow:
        slow.sendall(
            b"POST /mail/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 100\r\n\r\nemail="
        )
        assert next_answer(slow).status == 408
    assert served.ask("/mail/").status == 200


def test_a_visitor_who_hangs_up_does_no_harm(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as gone:
        gone.sendall(b"POST /mail/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nemail=")
    assert served.ask("/mail/").status == 200


def test_forwarded_addresses_count_only_from_our_proxies(served: Served, tmp_path: Path) -> None:
    """Anybody can write X-Forwarded-For; it is believed as far as our own proxies wrote it."""

    def refused(running: Served, *forwarded: str) -> list[int]:
        return [
            running.ask(
                "/mail/",
                form={"email": f"r{number}@example.org", "digest": "daily", "stamp": running.stamp()},
                headers={"X-Forwarded-For": each},
            ).status
            for number, each in enumerate(forwarded)
        ]

    spread = [f"198.51.100.{number}" for number in range(11)]
    assert refused(served, *spread) == [200] * 10 + [429]
    with serving(tmp_path / "proxied", proxies='["127.0.0.0/8", "10.0.0.0/8"]') as proxied:
        assert refused(proxied, *spread) == [200] * 11
        one = [f"203.0.113.{number}, 192.0.2.9, 10.0.0.1" for number in range(11)]
        assert refused(proxied, *one) == [200] * 10 + [429]

    with serving(tmp_path / "ports", proxies='["127.0.0.0/8"]') as proxied:
        assert refused(proxied, *[f"192.0.2.9:{4000 + number}" for number in range(11)]) == [200] * 10 + [429]
        six = [f"[2001:db8::{number}]:4711" for number in range(11)]
        assert refused(proxied, *six) == [200] * 10 + [429]
        assert refused(proxied, *[f"rubbish{number}" for number in range(11)]) == [200] * 10 + [429]


def test_the_output_folder_is_served_beside_the_pages(served: Served) -> None:
    """The same process shows feeds and pages; nothing outside the folder."""
    output = served.folder / "public"
    (output / "feed.xml").write_text("<feed/>")
    assert served.ask("/feed.xml").body == b"<feed/>"
    assert served.ask("/../config.yaml").status == 404
    assert served.ask("/%2e%2e/config.yaml").status == 404
    assert served.ask("/other").status == 404


def test_a_digest_that_is_no_longer_offered_can_be_left(served: Served) -> None:
    """Old links work when the operator has taken the digest out."""
    subscriber_service = served.running.subscriber_service
    from digest.jobs.subscribers.people import Proof

    proof = Proof(source="x", given_at=_now())
    subscriber_service.people.add("ann@example.org", (Choice(digest="gone"),), _now(), proof=proof)
    manage = subscriber_service.links.manage(subscriber_service.people.find("ann@example.org").key)
    assert "gone" in served.ask(manage).text
    assert served.ask(served.unsubscribe_link(digest="gone"), form={}).status == 200
    assert active(served) == []


def test_an_address_from_a_page_of_ours_comes_into_the_form(served: Served) -> None:
    """A page that lies still has no stamp: the whole form comes next, and nothing happens before that is sent. Pages
    of others get nowhere."""
    origin = {"Origin": f"http://127.0.0.1:{served.port + 1}", "Sec-Fetch-Site": "same-site"}
    before = served.state()
    answer = served.ask("/mail/", form={"email": 'b@example.org"><b>'}, headers=origin)
    assert (answer.status, served.state()) == (200, before)
    assert 'value="b@example.org&#34;&gt;&lt;b&gt;"' in answer.text
    assert re.search(r'name="digest" value="\w+" checked', answer.text)
    assert 'role="alert"' not in answer.text
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert served.ask("/mail/", form={"email": "b@example.org"}, headers=evil).status == 403


FORM = [("email", "ann@example.org"), ("digest", "evening"), ("in evening", "macro"), ("frequency", "weekly")]


ALL_OF_DAILY = ["digest=evening", "frequency=weekly", "in daily=macro", "in daily=stocks", "in evening=macro"]
"""What is ticked then; the form ticks all categories of what is not wanted."""


def hidden(answer: Answer) -> list[tuple[str, str]]:
    """The fields of a page that are sent on."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text)
    return [(unescape(name), unescape(value)) for name, value in found]


def test_what_was_entered_is_told_and_can_be_corrected(served: Served) -> None:
    """The page after the form says it, and a button leads back to the form as it was: nothing of it is in an address,
    and nothing happens on the way."""
    answer = served.ask("/mail/", form=[*FORM, ("stamp", served.stamp())])
    plain = re.sub(r"<[^>]+>", "", answer.text)
    assert all(words in plain for words in ("ann@example.org", "晚报：宏观", "每周一封"))
    assert "早报：" not in plain
    served.mails(1)
    before = served.state()
    back = served.ask("/mail/", form=hidden(answer))
    assert (back.status, served.state()) == (200, before)
    assert ticks(back) == ALL_OF_DAILY
    assert 'value="ann@example.org"' in back.text
    assert 'role="alert"' not in back.text


def ticks(answer: Answer) -> list[str]:
    found = re.findall(r'name="([^"]+)" value="([^"]*)" checked', answer.text)
    return sorted(f"{name}={unescape(value).replace('<script>alert(1)</script>', 'stocks')}" for name, value in found)


@pytest.mark.parametrize("mistake", [{"email": "no address"}, {"stamp": "x"}, {"digest": "unknown"}])
def test_a_mistake_costs_nothing_that_was_entered(served: Served, mistake: dict[str, str]) -> None:
    """Also the categories of a digest that is not ticked."""
    fields = [("in daily", "stocks"), *FORM, ("stamp", served.stamp())]
    answer = served.ask("/mail/", form=[(name, mistake.get(name, value)) for name, value in fields])
    assert answer.status == 400
    chosen = ["frequency=weekly", "in daily=stocks", "in evening=macro"]
    assert ticks(answer) == (chosen if "digest" in mistake else ["digest=evening", *chosen])
    assert f'value="{mistake.get("email", "ann@example.org")}"' in answer.text
    assert ('aria-invalid="true" aria-describedby="wrong"' in answer.text) is ("email" in mistake)


def test_the_confirmation_says_what_for(served: Served) -> None:
    """The address as far as its owner knows it by, since a link may be seen by others; choices; and how often, which is
    what holds already for whoever reads something. From there, too, leads a way back, without the address."""
    served.ask("/mail/", form=[*FORM, ("stamp", served.stamp())])
    place = link(served.mails(1)[0])
    page = served.ask(place)
    for words in ("a***n@example.org", "晚报：宏观", "每周一封"):
        assert words in page.text
    assert "ann@example.org" not in page.text
    back = served.ask("/mail/", form=hidden(page))
    assert ticks(back) == ALL_OF_DAILY
    served.ask(place, form={"action": "confirm"})
    served.sign_up("ann@example.org", frequency="daily")
    again = served.ask(link(served.mails(2)[-1]))
    assert "每周一封" in again.text
    assert "每期都收" not in again.text


def test_the_page_after_a_new_address_says_it(served: Served) -> None:
    manage = served.join()
    served.ask(manage, form={"action": "move"})
    answer = served.ask(link(served.mails(2)[-1]), form={"action": "move", "email": " neu@example.net "})
    assert ">neu@example.net<" in answer.text
    assert "ann@example.org" not in answer.text


def reader(served: Served) -> Subscriber:
    return served.running.subscriber_service.people.find("ann@example.org")


@pytest.mark.parametrize("action", ["weekly", "pause 14", "pause"])
def test_less_instead_of_leaving(served: Served, action: str) -> None:
    """On the page to leave by: the list stays, nothing else changes, and no address or other choice is told."""
    served.join()
    place = served.unsubscribe_link()
    page = served.ask(place)
    assert f'name="action" value="{action}"' in page.text
    before = served.state()
    assert served.ask(place, form={"action": action}, headers={"Origin": "https://evil.example"}).status == 403
    assert served.state() == before
    was, answer = reader(served), served.ask(place, form={"action": action})
    assert (answer.status, answer.heading, active(served)) == (200, "邮件已减少", ["daily"])
    now = reader(served)
    days = {"pause 14": 14, "pause": 30}.get(action)
    until = None if days is None else datetime.now(ZoneInfo("Asia/Shanghai")).date() + timedelta(days=days)
    assert now.preferences == replace(
        was.preferences, frequency=Frequency.DAILY if days else Frequency.WEEKLY, paused_until=until
    )
    assert now.subscriptions == was.subscriptions
    assert "example.org" not in answer.text
    assert (until is None) or f"{until.year}年{until.month}月{until.day}日" in answer.text
    if action == "weekly":
        assert 'value="weekly"' not in served.ask(place).text, "it is so already"
    if action == "pause":
        served.ask(place, form={"action": "pause 14"})
        assert reader(served).preferences.paused_until == until, "the link makes no pause shorter"


def test_less_for_whoever_just_left(served: Served) -> None:
    """The page that says so offers it, in that browser alone; what it carries is good for this one leaving."""
    served.join()
    place = served.unsubscribe_link()
    left = served.ask(place, form={"action": "leave"})
    assert (left.heading, active(served)) == ("您已退订", [])
    assert 'value="pause 14"' in left.text
    (back,) = [value for name, value in hidden(left) if name == "back"]
    assert "example.org" not in left.text
    for wrong in ("", "x", served.stamp(), place.rpartition("/")[2]):
        assert served.ask(place, form={"action": "weekly", "back": wrong}).heading == "您已退订"
    assert 'value="pause 14"' not in served.ask(place).text, "whoever opens the link has only that"
    assert active(served) == []
    assert served.ask(place, form={"action": "weekly", "back": back}).heading == "邮件已减少"
    assert (active(served), reader(served).preferences.frequency) == (["daily"], Frequency.WEEKLY)
    time.sleep(1.1)  # a second leaving, at another second
    served.ask(place, "POST", body=ONE_CLICK)
    assert served.ask(place, form={"action": "pause", "back": back}).heading == "您已退订"
    again = served.ask(place, form={"action": "leave"})
    assert 'name="back"' not in again.text, "pressed again, it ends nothing"
    served.sign_up()
    assert 'name="back"' not in served.ask(place, form={"action": "leave"}).text, "what waits to be confirmed"
    assert active(served) == []


def test_what_is_carried_back_ends_after_an_hour(served: Served) -> None:
    served.join()
    signup, place = served.running.subscriber_service.signup, served.unsubscribe_link()
    token, now = place.rpartition("/")[2], datetime.now(UTC)
    left = signup.unsubscribe(token, now)
    assert left is not None
    assert signup.lessen(token, Less.WEEKLY, left.back, now + timedelta(minutes=61)) is None
    assert signup.lessen(token, Less.WEEKLY, left.back, now + timedelta(minutes=59)) is not None


def test_a_link_of_one_list_changes_no_other(served: Served) -> None:
    """Whoever reads others gets no such offer, whether before or after leaving: how often and a pause hold for all."""
    served.join()
    served.sign_up("ann@example.org", digest="evening")
    served.ask(link(served.mails(2)[-1]), form={"action": "confirm"})
    place, was = served.unsubscribe_link(), reader(served)
    page = served.ask(place)
    assert "更改订阅内容和时间" in page.text, "where it can be had"
    for each in (page, served.ask(place, form={"action": "weekly"}), served.ask(place, form={"action": "pause"})):
        assert 'value="weekly"' not in each.text
        assert 'value="pause"' not in each.text
    assert reader(served) == was
    left = served.ask(place, form={"action": "leave"})
    assert 'name="back"' not in left.text
    assert active(served) == ["evening"]


def test_one_click_leaves_whatever_else_it_says(served: Served) -> None:
    served.join()
    served.ask(served.unsubscribe_link(), form={"List-Unsubscribe": "One-Click", "action": "weekly"})
    assert active(served) == []


def test_a_weekly_digest_offers_no_weekly_form(tmp_path: Path) -> None:
    config = CONFIG.format(port="PORT", proxies="[]").replace("daily 08:00", "weekly fri 08:00")
    with serving(tmp_path, own_config=config) as served:
        manage, place = served.join(), served.unsubscribe_link()
        for page in (served.ask(place), served.ask(manage)):
            assert 'name="action" value="weekly"' not in page.text
            assert 'name="action" value="pause 14"' in page.text
        served.ask(place, form={"action": "weekly"})
        assert reader(served).preferences.frequency is Frequency.DAILY


@pytest.mark.parametrize("action", ["weekly", "pause 14", "pause"])
def test_less_mail_is_beside_leaving(served: Served, action: str) -> None:
    """At one button, and the rest stays as it was chosen; the page says whose it is, and what holds now."""
    manage = served.join()
    page = served.ask(manage)
    assert "a***n@example.org" in page.text
    assert "ann@example.org" not in page.text
    assert page.text.index('value="pause"') < page.text.index('value="everything"')
    answer = served.ask(manage, form={"action": action})
    assert (answer.status, len(active(served))) == (200, 1)
    if action == "weekly":
        assert 'value="weekly" checked' in answer.text
        assert 'name="action" value="weekly"' not in answer.text
    else:
        assert re.search(r'name="paused_until" value="20\d\d-\d\d-\d\d"', answer.text)

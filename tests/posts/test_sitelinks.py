"""Links that a generator fills in: resolved as it would, or dropped with their text kept."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from digest.models import Post
from digest.posts.body import to_html
from digest.posts.sitelinks import SiteLinks, resolve

POSTS = {
    "_posts/2026-01-02-old.md": "https://news.example/sub/c/old.html",
    "blog/_posts/2026-01-03-far.md": "https://news.example/sub/blog/far.html",
    "_posts/deep/2026-01-04-deep.markdown": "https://news.example/sub/deep.html",
    "content/posts/old.md": "https://news.example/sub/posts/old/",
    "content/posts/bundle/index.md": "https://news.example/sub/posts/bundle/",
    "source/_posts/old.md": "https://news.example/sub/old/",
    "content/posts/old.de.md": "https://news.example/sub/de/posts/old/",
    "content/posts/bundle/index.de.md": "https://news.example/sub/de/posts/bundle/",
    "i18n/fr/posts/old.md": "https://news.example/sub/fr/posts/old/",
}


def links(kind: str, path: str) -> SiteLinks:
    return SiteLinks(site_url="https://news.example/sub", kind=kind, path=path, url_of=POSTS.get)


JEKYLL = links("jekyll", "_posts/2026-02-01-new.md")
HUGO = links("hugo", "content/posts/new.md")
GERMAN = links("hugo", "content/notes/deep/new.de.md")
FRENCH = links("hugo", "i18n/fr/notes/new.md")
HEXO = links("hexo", "source/_posts/new.md")
FORMS = ["[text](%s)", "[text][r]\n\n[r]: %s", '<a href="%s">text</a>', "<a href='%s'>text</a>"]
BASE = "https://news.example/sub"


@pytest.mark.parametrize(
    ("site", "target", "expected"),
    [
        (JEKYLL, "{{ site.baseurl }}/x", "/sub/x"),
        (JEKYLL, "{{ site.url }}{{ site.baseurl }}/x", f"{BASE}/x"),
        (JEKYLL, "{{ site.url }}/x", "https://news.example/x"),
        (JEKYLL, "{{ '/x' | relative_url }}", f"{BASE}/x"),
        (JEKYLL, '{{ "/x" | relative_url }}', f"{BASE}/x"),
        (JEKYLL, '{{ "x/y.png" | absolute_url }}#z', f"{BASE}/x/y.png#z"),
        (JEKYLL, '{{ "/x" | prepend: site.baseurl }}', "/sub/x"),
        (JEKYLL, '{{ "/x" | prepend: site.baseurl | prepend: site.url }}', f"{BASE}/x"),
        (JEKYLL, "{% post_url 2026-01-02-old %}", f"{BASE}/c/old.html"),
        (JEKYLL, "{{ site.baseurl }}{% post_url 2026-01-02-old %}#part", f"{BASE}/c/old.html#part"),
        (JEKYLL, "{% post_url blog/2026-01-03-far %}", f"{BASE}/blog/far.html"),
        (JEKYLL, "{% post_url deep/2026-01-04-deep %}", f"{BASE}/deep.html"),
        (JEKYLL, "{% link _posts/2026-01-02-old.md %}", f"{BASE}/c/old.html"),
        (JEKYLL, "{% link assets/x.png %}", f"{BASE}/assets/x.png"),
        (JEKYLL, "{% link about.md %}", None),
        (JEKYLL, "{% post_url 2020-01-01-gone %}", None),
        (JEKYLL, "{{ page.next.url }}", None),
        (JEKYLL, "/a/{{ page.id }}", None),
        (JEKYLL, "{{ '/x' | slugify }}", None),
        (JEKYLL, "{% link ../secret.md %}", None),
        (HUGO, '{{< ref "old.md" >}}', f"{BASE}/posts/old/"),
        (HUGO, '{{< relref "/posts/old" >}}', f"{BASE}/posts/old/"),
        (HUGO, '{{% ref "posts/old.md#part" %}}', f"{BASE}/posts/old/#part"),
        (HUGO, '{{< ref path="bundle" >}}', f"{BASE}/posts/bundle/"),
        (HUGO, '{{< ref "gone.md" >}}', None),
        (GERMAN, '{{< ref "/posts/old" >}}', f"{BASE}/de/posts/old/"),
        (GERMAN, '{{< ref "posts/old.md" >}}', f"{BASE}/de/posts/old/"),
        (GERMAN, '{{< ref "posts/bundle" >}}', f"{BASE}/de/posts/bundle/"),
        (FRENCH, '{{< relref "/posts/old.md" >}}', f"{BASE}/fr/posts/old/"),
        (FRENCH, '{{< relref "/posts/bundle" >}}', None),
        (HUGO, "{{ .Site.BaseURL }}/x", None),
        (HEXO, "{% post_path old %}", f"{BASE}/old/"),
    ],
)
@pytest.mark.parametrize(
    "form", ["[text](%s)", "[text][r]\n\n[r]: %s", '<a href="%s">text</a>', "<a href='%s'>text</a>"]
)
def test_links(post: Callable[..., Post], site: SiteLinks, target: str, expected: str | None, form: str) -> None:
    """Wherever a link may stand."""
    if form.endswith("'%s'>text</a>") and "'" in target:
        target = target.replace("'", '"')
    body = form % target
    made = to_html(post(f"---\ntitle: a\n---\n{body}\n"), site)
    found = re.search(r'href="([^"]*)"', made)
    assert ">text</a>" in made
    wanted = None if expected is None else expected if "://" in expected else f"https://news.example{expected}"
    assert (found[1] if found else None) == wanted


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("`[a]({{ site.baseurl }}/x)`", "`[a]({{ site.baseurl }}/x)`"),
        ("```\n[a]({{ site.baseurl }}/x)\n```\n", "```\n[a]({{ site.baseurl }}/x)\n```\n"),
        (
            "{% raw %}[a]({{ x }}){% endraw %} [b]({{ site.url }})",
            "{% raw %}[a]({{ x }}){% endraw %} [b](https://news.example)",
        ),
        ("Text {{ page.title }} [a](/x)", "Text {{ page.title }} [a](/x)"),
        ("![a]({{ site.baseurl }}/x.png)", "![a](/sub/x.png)"),
        ("<img src={{ site.baseurl }}/x.png>", "<img src=/sub/x.png>"),
        ("no tags { here }", "no tags { here }"),
    ],
)
def test_only_links_are_touched(body: str, expected: str) -> None:
    """Not what code shows, not tags elsewhere."""
    assert resolve(body, JEKYLL) == expected


@pytest.mark.parametrize(
    ("body", "image", "shown"),
    [
        ('{{< figure src="x.png" alt="A" caption="Of <b>" >}}', "x.png", "<figcaption>Of &lt;b&gt;</figcaption>"),
        ('{{< figure src="/x.png" title="T" />}}', "/x.png", "<figcaption>T</figcaption>"),
        ("{{< figure src=/x.png >}}", "/x.png", "<figure>"),
        ('{{< img "x.png" >}}', "x.png", "<figure>"),
    ],
)
def test_figures_keep_their_picture(post: Callable[..., Post], body: str, image: str, shown: str) -> None:
    """In the text, and as the post's."""
    text = f"---\ntitle: a\ndate: 2026-01-01\n---\nText.\n\n{body}\n"
    found = post(text, "content/posts/new.md", kind="hugo")
    url = f"https://news.example{'' if image[0] == '/' else '/posts/new/'}{image}"
    assert found.image == url
    assert f'<img src="{url}"' in to_html(found)
    assert shown in to_html(found)


def test_the_base_of_a_picture_is_the_site_s(post: Callable[..., Post]) -> None:
    """Also for the post's picture."""
    found = post("---\ntitle: a\n---\nText ![x]({{ site.baseurl }}/x.png)", site_url="https://news.example/sub")
    assert found.image == "https://news.example/sub/x.png"


def test_unended_tags_take_no_time() -> None:
    """Neither many openings nor many quotes."""
    for piece in ('<a href="{{ ', "[a]({{ x ", "{% raw %}", '{{< figure src="', "{{ }} ", 'href="{{ x }}'):
        resolve(piece * 20_000, JEKYLL)


@pytest.mark.parametrize("form", FORMS[2:])
def test_an_address_with_a_blank(post: Callable[..., Post], form: str) -> None:
    """In HTML it is one."""
    body = form % "{{site.baseurl}}/x y.png"
    assert 'href="https://news.example/sub/x%20y.png"' in to_html(post(f"---\ntitle: a\n---\n{body}\n"), JEKYLL)

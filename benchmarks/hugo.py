"""Hugo as a peer: a site that makes feeds and nothing else, from the same posts.

The home page and every category give RSS, Atom and JSON Feed with 50 entries and full text; no post is written as a
page, there are no other pages, no sitemap. That is less than ``digest run`` does (pages, compressed files, a store,
archives, a mail), and as little as Hugo can be made to do: it reads and renders every post in every build.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CONFIG = """\
baseURL = "https://posts.example.com/"
title = "Benchmark"
languageCode = "zh-cn"
hasCJKLanguage = true
buildFuture = true
timeZone = "Asia/Shanghai"
disableKinds = ["section", "taxonomy", "sitemap", "robotsTXT", "404"]
ignoreErrors = ["error-disable-taxonomy"]
[taxonomies]
category = "categories"
[outputs]
home = ["RSS", "ATOM", "JSON"]
term = ["RSS", "ATOM", "JSON"]
[outputFormats.ATOM]
mediaType = "application/atom+xml"
baseName = "atom"
isPlainText = false
[mediaTypes."application/atom+xml"]
suffixes = ["atom"]
[markup.goldmark.renderer]
unsafe = true
"""

_PAGES = """\
{{- $pages := .Site.RegularPages -}}
{{- if eq .Kind "term" -}}{{- $pages = .Pages -}}{{- end -}}
{{- $pages = first 50 $pages -}}
{{- printf "<?xml version=\\"1.0\\" encoding=\\"utf-8\\"?>" | safeHTML }}
"""
RSS = (
    _PAGES
    + """\
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel>
<title>{{ .Title }}</title>
<link>{{ .Permalink }}</link>
<description>{{ .Title }}</description>
{{ range $pages -}}
<item>
<title>{{ .Title }}</title>
<link>{{ .Permalink }}</link>
<guid>{{ .Permalink }}</guid>
<pubDate>{{ .Date.Format "Mon, 02 Jan 2006 15:04:05 -0700" | safeHTML }}</pubDate>
{{ range .GetTerms "categories" }}<category>{{ .Title }}</category>{{ end }}
<description>{{ .Summary | html }}</description>
<content:encoded>{{ .Content | html }}</content:encoded>
</item>
{{ end -}}
</channel>
</rss>
"""
)
ATOM = (
    _PAGES
    + """\
<feed xmlns="http://www.w3.org/2005/Atom">
<title>{{ .Title }}</title>
<id>{{ .Permalink }}</id>
<updated>{{ (index $pages 0).Date.Format "2006-01-02T15:04:05-07:00" | safeHTML }}</updated>
<author><name>Benchmark</name></author>
{{ range $pages -}}
<entry>
<title>{{ .Title }}</title>
<id>{{ .Permalink }}</id>
<link href="{{ .Permalink }}" />
<updated>{{ .Date.Format "2006-01-02T15:04:05-07:00" | safeHTML }}</updated>
{{ range .GetTerms "categories" }}<category term="{{ .Title }}" />{{ end }}
<summary type="html">{{ .Summary | html }}</summary>
<content type="html">{{ .Content | html }}</content>
</entry>
{{ end -}}
</feed>
"""
)

JSON = """\
{{- $pages := .Site.RegularPages -}}
{{- if eq .Kind "term" -}}{{- $pages = .Pages -}}{{- end -}}
{{- $items := slice -}}
{{- range first 50 $pages -}}
{{- $tags := slice -}}
{{- range .GetTerms "categories" }}{{ $tags = $tags | append .Title }}{{ end -}}
{{- $date := .Date.Format "2006-01-02T15:04:05-07:00" -}}
{{- $item := dict "id" .Permalink "url" .Permalink "title" .Title "date_published" $date "tags" $tags -}}
{{- $items = $items | append (merge $item (dict "summary" .Summary "content_html" .Content)) -}}
{{- end -}}
{{- $feed := dict "version" "https://jsonfeed.org/version/1.1" "title" .Title "items" $items -}}
{{- merge $feed (dict "home_page_url" .Permalink) | jsonify -}}
"""


def find_hugo() -> str | None:
    """Where Hugo is, if it is installed."""
    return shutil.which("hugo")


def hugo_version(hugo: str) -> str:
    return subprocess.run([hugo, "version"], check=True, capture_output=True, text=True).stdout.split()[1]


def make_site(site: Path, posts: Path) -> None:
    """A Hugo site whose content is the same files as ``posts`` (hard links)."""
    layouts = site / "layouts" / "_default"
    layouts.mkdir(parents=True)
    (site / "hugo.toml").write_text(CONFIG, encoding="utf-8")
    (layouts / "rss.xml").write_text(RSS, encoding="utf-8")
    (layouts / "list.atom.atom").write_text(ATOM, encoding="utf-8")
    (layouts / "list.json").write_text(JSON, encoding="utf-8")
    content = site / "content" / "posts"
    content.mkdir(parents=True)
    for post in posts.iterdir():
        (content / post.name).hardlink_to(post)


def clear(site: Path) -> None:
    """What a build leaves behind: the next one is as cold as the first."""
    for name in ("public", "resources"):
        shutil.rmtree(site / name, ignore_errors=True)


def count_feeds(site: Path) -> int:
    """How many feeds with at least one entry the build wrote."""
    signs = {".atom": b"<entry>", ".xml": b"<item>", ".json": b'"date_published":'}
    found = (path for path in (site / "public").rglob("*") if path.suffix in signs)
    return sum(signs[path.suffix] in path.read_bytes() for path in found)

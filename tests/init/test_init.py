"""``digest init`` on sites of all three generators, as its user meets it."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.app.starting import Draft, draft, write
from digest.cli import main
from digest.config import load
from digest.errors import ConfigError, DigestError, SourceError
from tests.program import run_program

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POST = "---\ntitle: {title}\ndate: {date}\ncategories: {categories}\n---\n\n> A summary.\n\nText.\n"


def put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def post(
    root: Path, path: str, *, title: str = "First", date: str = "2026-11-20 08:00:00 +0000", categories: str = "news"
) -> None:
    put(root / path, POST.format(title=title, date=date, categories=categories))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(root: Path = Path(), config: Path = Path("config.yaml")) -> Draft:
    return draft(root, config, now=NOW)


def jekyll(root: Path, config: str = "title: A\nurl: https://e.com\ntimezone: UTC\nlang: en\n") -> None:
    put(root / "_config.yml", config)
    post(root, "_posts/2026-11-20-first.md")
    post(root, "_posts/2026-11-21-second.md", categories="news macro")


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return run_program(*arguments, cwd=folder)


# ----------------------------------------------------------------- command


def test_from_init_to_the_first_dry_run(site: Path) -> None:
    """Two commands in an existing site, nothing in between; nothing but the file is written."""
    jekyll(site)
    before = set(site.rglob("*"))
    assert run("init", folder=site).returncode == 0
    assert set(site.rglob("*")) - before == {site / "config.yaml"}
    result = run("run", "--dry-run", folder=site)
    assert result.returncode == 0
    assert "2 arrived" in result.stdout
    assert set(site.rglob("*")) - before == {site / "config.yaml"}


def test_from_init_to_the_first_mail(site: Path) -> None:
    """The preview shows it, and leaves its files where no generator publishes them."""
    jekyll(site)
    before = set(site.iterdir())
    assert run("init", folder=site).returncode == 0
    result = run("preview", "--no-open", folder=site)
    assert result.returncode == 0, result.stderr
    assert set(site.iterdir()) - before == {site / "config.yaml", site / ".digest"}
    assert list((site / ".digest" / "preview").glob("*.eml"))


def test_report_says_what_was_found_and_what_comes_next(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Values with their origins, categories with counts, the switch, the next commands."""
    jekyll(site, "title: A\nurl: https://e.com\nplugins: [jekyll-feed]\nfeed: {path: atom.xml}\n")
    post(site, "_posts/broken.md")
    with pytest.raises(SystemExit, match="0"):
        main(["init"])
    out = capsys.readouterr().out
    for words in (
        "Jekyll site in ., by _config.yml",
        "https://e.com   (_config.yml: url)",
        "news 2, macro 1",
        "2 (1 file left out",
        "no time zone is set",
        "adopt-ids",
        "return 301 /feed.xml",
        "add config.yaml to exclude",
        "Written: config.yaml; nothing else was touched",
        "digest preview",
    ):
        assert words in out, words


@pytest.mark.parametrize("option", ["--dry-run", "--stdout"])
def test_nothing_is_written_when_only_asked(site: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--stdout`` prints a file that can be used as it is."""
    jekyll(site)
    with pytest.raises(SystemExit, match="0"):
        main(["init", option])
    out = capsys.readouterr().out
    assert not (site / "config.yaml").exists()
    assert "  title: A" in out
    if option == "--stdout":
        assert str(load(put(site / "config.yaml", out), {}).site.url) == "https://e.com"


def test_json_for_programs(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same facts."""
    jekyll(site, "url: https://e.com\nplugins: [jekyll-feed]\n")
    with pytest.raises(SystemExit, match="0"):
        main(["init", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["written"] is True
    assert facts["categories"] == {"news": 2, "macro": 1}
    assert facts["feed"] == {"maker": "jekyll-feed", "paths": ["feed.xml"]}


def test_a_configuration_is_never_overwritten_unasked(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--force`` asks; the exit code says that nothing was touched."""
    jekyll(site)
    mine = put(site / "config.yaml", "# mine\n")
    with pytest.raises(SystemExit, match="2"):
        main(["init"])
    assert "is there already" in capsys.readouterr().err
    assert mine.read_text() == "# mine\n"
    with pytest.raises(SystemExit, match="0"):
        main(["init", "--force"])
    assert mine.read_text() != "# mine\n"


def test_a_missing_configuration_leads_to_init(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who runs first finds the way."""
    with pytest.raises(SystemExit, match="2"):
        main(["run"])
    assert "digest init" in capsys.readouterr().err


def test_from_another_folder(site: Path) -> None:
    """The store then lies beside the configuration, in folders that need not hide."""
    jekyll(site / "blog")
    result = run("init", "blog", folder=site)
    assert result.returncode == 0
    settings = load(site / "config.yaml", {})
    assert settings.posts.folder.resolve() == site / "blog"
    assert settings.output == site / "public"
    assert "Take care" not in result.stdout
    assert run("init", "blog/_posts", "--force", folder=site).returncode == 0
    assert load(site / "config.yaml", {}).posts.folder.resolve() == site / "blog"


# ------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ("url: http://localhost:4000\n", "url", "is this machine"),
        ("url: e.com\n", "url", "does not start with https://"),
        ("lang: english please\n", "language", "is not a language tag"),
        ("timezone: Asia/Shangai\n", "timezone", "is not a time zone"),
        ("permalink: /:mood/:title/\n", "permalink", ":mood is not part of any post"),
        ("permalink: /:year/:month/\n", "permalink", "add :title"),
        ("permalink: '/a b/:title'\n", "permalink", "holds a character"),
        ("author: {name: A, email: nobody}\n", "author_email", "nobody"),
    ],
)
def test_what_digest_does_not_take_is_said(site: Path, config: str, field: str, words: str) -> None:
    """The file holds something that works in its place."""
    jekyll(site, config)
    found = made()
    assert any(words in remark for remark in found.site.remarks), found.site.remarks
    if field not in ("language", "timezone"):
        assert getattr(found.site, field) is None


def test_titles_choose_a_language_if_nobody_did(site: Path) -> None:
    """By their script."""
    jekyll(site, "title: A\n")
    for number in range(5):
        post(site, f"_posts/2026-11-2{number}-x{number}.md", title="央行今日开展逆回购操作")
    assert made().settings.site.language == "zh-CN"


def test_zone_by_what_the_site_was_built_with(site: Path) -> None:
    """A post at 00:30 +0800 has the day of the zone in its address; the built page shows which one it was."""
    put(site / "_config.yml", "url: https://e.com\n")
    post(site, "_posts/2026-11-20-first.md", date="2026-11-20 00:30:00 +0800")
    assert made().settings.site.timezone.key == "UTC"
    assert "most posts are dated +0800" in made().site.remarks[0]
    put(site / "_site" / "news" / "2026" / "11" / "20" / "first.html")
    found = made()
    assert found.settings.site.timezone.key == "Asia/Shanghai"
    assert found.census.built == "_site"
    assert found.census.wrong == ()


def test_addresses_that_the_built_site_has_not(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong permalink shows before any reader meets it: in the report, in the file, and in the exit code."""
    jekyll(site)
    put(site / "_site" / "news" / "2026" / "11" / "20" / "first" / "index.html")
    put(site / "_site" / "about.html")
    with pytest.raises(SystemExit, match="1"):
        main(["init"])
    said = capsys.readouterr().out
    for line in (
        "1 of 2 addresses are not in _site: the ending differs, for example https://e.com/news/2026/11/20/first.html",
        "1 of 2 addresses are not in _site, for example https://e.com/news/macro/2026/11/20/second.html",
    ):
        assert line in said
        assert f"# WRONG: {line}" in (site / "config.yaml").read_text(encoding="utf-8")
    assert load(site / "config.yaml", {})


def test_a_sitemap_that_cannot_be_read_confirms_nothing(site: Path) -> None:
    jekyll(site)
    for text in ("<urlset><loc>", "<sitemapindex><sitemap><loc>https://e.com/a.xml</loc></sitemap></sitemapindex>"):
        put(site / "sitemap.xml", text)
        found = made()
        assert (found.census.built, found.census.wrong) == ("", ())
        assert any(line.startswith("addresses were not compared, since sitemap.xml is ") for line in found.site.remarks)


def test_what_cannot_be_taken_from_a_list_is_left_out_and_told(site: Path) -> None:
    jekyll(
        site,
        "title: A\nurl: https://e.com\ntimezone: UTC\nplugins: [jekyll-feed]\n"
        "collections: {notes: {output: true}, my notes: {output: true}}\n"
        "feed: {collections: [notes, my notes], hub: [no address, 'https://hub.example/']}\n",
    )
    found = made()
    assert found.settings.posts.collections == ("notes",)
    assert [str(hub) for hub in found.settings.feeds.hubs] == ["https://hub.example/"]
    assert sum("; left out" in line for line in found.site.remarks) == 2


def test_a_sitemap_tells_the_addresses_too(site: Path) -> None:
    """Where the site is built elsewhere. A template of one lists none."""
    jekyll(site)
    put(
        site / "sitemap.xml",
        "---\n---\n<urlset>{% for post in posts %}<loc>{{ post.url }}</loc>{% endfor %}</urlset>",
    )
    assert made().census.built == ""
    place = "<url><loc>https://e.com/news/2026/11/20/first.html</loc></url>"
    put(site / "sitemap.xml", f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{place}</urlset>')
    found = made().census
    assert found.built == "sitemap.xml"
    assert [line[:30] for line in found.wrong] == ["1 of 2 addresses are not in si"]


def test_present_feed_that_is_built_is_adopted_from_there(site: Path) -> None:
    """No need to fetch it."""
    jekyll(site, "url: https://e.com\nplugins: [jekyll-feed]\n")
    put(site / "_site" / "feed.xml")
    assert "digest adopt-ids _site/feed.xml" in made().switch[0]


def test_posts_without_any_generator(site: Path) -> None:
    """A folder of Markdown files works too; what is missing is marked in the file."""
    post(site, "notes/one.md")
    found = made()
    assert found.source == ""
    assert found.census.posts == 1
    assert "CHANGE THIS" in found.text
    assert found.settings.site.title == site.name


def test_domain_of_the_site(site: Path) -> None:
    """A CNAME file names it; one that names nothing sensible is not believed."""
    jekyll(site, "title: A\n")
    put(site / "CNAME", "news.example.com\n")
    assert made().settings.site.url == "https://news.example.com"
    put(site / "CNAME", "two words\n")
    assert made().site.url is None


# -------------------------------------------------------------- generators


def test_hexo_site(site: Path) -> None:
    """Known by its folders, though its configuration has Jekyll's name."""
    put(site / "_config.yml", "title: H\nurl: https://h.example\nlanguage: zh-TW\ntimezone: Asia/Taipei\n")
    put(site / "package.json", '{"dependencies": {"hexo": "7", "hexo-generator-feed": "3"}}')
    post(site, "source/_posts/one.md")
    found = made()
    assert found.settings.posts.kind == "hexo"
    assert found.site.feed is not None
    assert found.settings.feeds.id_scheme == "permalink"
    assert found.settings.posts.future is True


@pytest.mark.parametrize(
    ("built", "zone", "words"),
    [
        ("2025/12/31/one", "UTC", ""),
        ("2026/01/01/one", None, ""),
        ("", None, "1 post is at the address of another day; write posts.builder_timezone: UTC then"),
    ],
)
def test_hexo_is_built_in_another_zone(site: Path, built: str, zone: str | None, words: str) -> None:
    """The built site tells; without it the report does."""
    put(site / "_config.yml", "title: T\nurl: https://h.example\ntimezone: Asia/Shanghai\n")
    put(site / "source/_posts/one.md", "---\ntitle: One\ndate: 2026-01-01 07:00:00\n---\nText\n")
    if built:
        put(site / f"public/{built}/index.html", "<p>One</p>")
    found = made()
    assert found.site.builder_timezone == zone
    assert str(found.settings.posts.builder_timezone or "None") == str(zone)
    assert found.census.wrong == ()
    assert any(words in remark for remark in found.site.remarks) is bool(words)


def test_hexo_by_package_alone_and_with_a_source_folder_of_its_own(site: Path) -> None:
    """Hexo lets the folder be renamed."""
    put(site / "_config.yml", "title: H\nsource_dir: text\n")
    put(site / "package.json", '{"dependencies": {"hexo": "7"}}')
    post(site, "text/_posts/one.md")
    found = made()
    assert found.settings.posts.folder.resolve() == site / "text" / "_posts"
    assert found.census.posts == 1


def test_hugo_with_a_folder_of_configuration(site: Path) -> None:
    """Each file holds the section of its name; one for a language, what belongs to it."""
    put(site / "config/_default/hugo.toml", 'baseURL = "https://h.example/"\ndefaultContentLanguage = "zh"\n')
    put(site / "config/_default/permalinks.yaml", "posts: /:year/:slug/\n")
    put(site / "config/_default/languages.json", '{"zh": {"title": "新闻", "languageCode": "zh-CN"}}')
    put(site / "config/_default/params.zh.toml", 'description = "每日"\n')
    put(site / "config/_default/params.toml", '[params]\nauthor = "Ann"\n')
    post(site, "content/posts/one.md")
    found = made(config=Path("digest.yaml"))
    settings = found.settings
    assert (settings.site.title, settings.site.language, settings.posts.permalink) == ("新闻", "zh-CN", "/:year/:slug/")
    assert (settings.site.description, settings.site.author.name) == ("每日", "Ann")
    assert found.source == "config/_default/hugo.toml and 4 more"


def test_hugo_in_several_languages(site: Path) -> None:
    """One configuration for all of them, with the configuration of builds over the usual one."""
    put(site / "config/_default/hugo.toml", 'baseURL = "https://dev.example/"\ndefaultContentLanguage = "en"\n')
    put(site / "config/production/hugo.toml", 'baseURL = "https://h.example/"\n')
    put(site / "config/_default/languages.en.toml", 'title = "News"\ncontentDir = "content/english"\n')
    put(site / "config/_default/languages.toml", '[zh-cn]\ntitle = "新闻"\ncontentDir = "i18n/zh"\n')
    post(site, "content/english/posts/one.md")
    post(site, "i18n/zh/posts/one.md")
    found = made(config=Path("digest.yaml"))
    assert found.settings.feeds.languages == ("en", "zh-CN")
    assert (found.settings.site.language, str(found.settings.site.url)) == ("en", "https://h.example")
    assert found.settings.posts.folder == site
    assert found.census.posts == 2


@pytest.mark.parametrize("name", ["hugo.toml", "hugo.yaml", "hugo.json", "config.toml", "config.yaml", "config.yml"])
def test_hugo_in_every_spelling(site: Path, name: str) -> None:
    """Old names and new, three formats."""
    texts = {
        "toml": 'baseURL = "https://h.example/"\ntitle = "T"\n',
        "json": '{"baseURL": "https://h.example/", "title": "T"}',
    }
    put(site / name, texts.get(name.rpartition(".")[2], "baseURL: https://h.example/\ntitle: T\n"))
    post(site, "content/posts/one.md")
    found = made(config=Path("digest.yaml"))
    assert found.settings.site.title == "T"
    assert found.settings.posts.kind == "hugo"


@pytest.mark.parametrize("force", [False, True])
def test_hugos_own_config_yaml_is_never_replaced(site: Path, force: bool) -> None:
    """Not even by force."""
    put(site / "config.yaml", "baseURL: https://h.example/\n")
    post(site, "content/posts/one.md")
    with pytest.raises(ConfigError, match=r"Hugo's own configuration; name another file"):
        write(made(), force=force)


# ------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("_config.yml", b"title: [a", "_config.yml:1: cannot be read"),
        ("_config.yml", b"a: 1\n\tb: 2", "_config.yml:2: cannot be read"),
        ("_config.yml", b"- a\n", "holds no keys"),
        ("_config.yml", b"\xff\xfet", "is not UTF-8 text"),
        ("hugo.toml", b'a = 1\nb = "x\n', "hugo.toml:2: cannot be read"),
        ("hugo.json", b'{"a": ', "hugo.json:1: cannot be read"),
        ("hugo.yaml", b"x: " + b"[" * 5000, "cannot be read"),
        ("_config.yml", b"#" * 4_000_001, "has more than"),
    ],
)
def test_broken_configurations_give_one_clear_line(site: Path, name: str, raw: bytes, words: str) -> None:
    """With the line, where there is one."""
    (site / name).write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        made()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tags_of_other_libraries_do_no_harm(site: Path) -> None:
    """Jekyll's and mkdocs' YAML may hold them."""
    jekyll(site, "title: A\nurl: https://e.com\nx: !ruby/regexp /a/\ny: !!python/name:os.system {a: 1}\nz: !t [1]\n")
    assert made().settings.site.title == "A"


@pytest.mark.parametrize(
    ("folder", "words"),
    [("nowhere", "does not exist"), ("file", "is not a folder"), (".", "no Jekyll, Hugo or Hexo site")],
)
def test_no_site(site: Path, folder: str, words: str) -> None:
    """One line says what to name."""
    put(site / "file")
    with pytest.raises(SourceError, match=words):
        made(Path(folder))


def test_where_nothing_can_be_written(site: Path) -> None:
    """The remedy names another place; nothing half written stays."""
    jekyll(site)
    for config in (Path("missing/config.yaml"), Path("_posts")):
        with pytest.raises(DigestError, match=r"cannot be written|is a folder"):
            write(made(config=config))
    assert not list(site.glob("**/*.tmp"))


def test_odd_files_beside(site: Path) -> None:
    """A package.json that is no JSON, a Gemfile with other plugins."""
    jekyll(site)
    put(site / "package.json", "[]")
    put(site / "Gemfile", 'gem "jekyll"\n# gem "jekyll-feed"\n')
    assert made().site.feed is None


# -------------------------------------------------------- real generators


PERMALINKS = ("date", "pretty", "ordinal", "none", "weekdate", "/blog/:year/:i_month/:title", "/:categories/:slug/")


@pytest.mark.jekyll
@pytest.mark.parametrize("permalink", PERMALINKS)
def test_addresses_are_those_that_jekyll_built(site: Path, permalink: str) -> None:
    """Every form of permalink that Jekyll has, checked against its own build."""
    program = shutil.which("jekyll")
    if program is None:
        pytest.skip("needs jekyll")
    put(site / "_config.yml", f"title: A\nurl: https://e.com\ntimezone: Asia/Shanghai\npermalink: {permalink}\n")
    post(site, "_posts/2026-11-20-First-Post.md", date="2026-11-20 00:30:00 +0800", categories="News")
    post(site, "_posts/2026-11-21-zweiter_tag.md", categories="[a b, c]")
    post(site, "_posts/2026-11-22-中文.md", categories="财经")
    subprocess.run([program, "build", "--quiet"], cwd=site, check=True, capture_output=True, timeout=120)
    found = made()
    assert (found.census.posts, found.census.built, found.census.wrong) == (3, "_site", ())


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "uglyURLs = true\n",
        '[permalinks]\nposts = "/:year/:month/:title/"\n',
        'uglyURLs = true\n[permalinks]\nposts = "/n/:year/:filename/"\n',
    ],
)
def test_addresses_are_those_that_hugo_built(site: Path, lines: str) -> None:
    """Sections, templates and file endings as Hugo has them."""
    program = shutil.which("hugo")
    if program is None:
        pytest.skip("needs hugo")
    put(site / "hugo.toml", f'baseURL = "https://e.com/"\ntitle = "A"\n{lines}')
    put(site / "config.toml", f'baseURL = "https://e.com/"\ntitle = "A"\n{lines}')  # older Hugo
    put(site / "layouts/_default/single.html", "{{ .Title }}")
    post(site, "content/posts/first.md", date="2026-11-20T08:00:00Z", categories="[a]")
    post(site, "content/posts/Second Post.md", title="Second Post", date="2026-11-21T08:00:00Z", categories="[a]")
    subprocess.run([program], cwd=site, check=True, capture_output=True, timeout=120)
    found = made()
    assert (found.census.posts, found.census.built, found.census.wrong) == (2, "public", ())


@pytest.mark.slow
def test_real_sites(real_posts: Path, tmp_path: Path) -> None:
    """Every folder of other people's posts gives a configuration that loads."""
    for folder in sorted(path for path in real_posts.iterdir() if path.is_dir()):
        found = draft(folder, tmp_path / "config.yaml", now=NOW)
        assert found.census.posts > 0, folder.name
        assert found.settings.site.title

"""Hugo's configuration (https://gohugo.io/configuration/), and the RSS feeds that Hugo makes by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from digest.generators.site import Findings, PresentFeed, Site, mapping, number, text, texts

_DEFAULT = "/:sections/:slugorcontentbasename/"


def lowered(value: object) -> object:
    """Hugo's keys are the same in any case; those of sections, languages and the like are kept as their values."""
    if isinstance(value, Mapping):
        return {str(key).lower(): lowered(item) for key, item in value.items()}
    return [lowered(item) for item in value] if isinstance(value, list) else value


def read_hugo(
    data: Mapping[str, object],
    *,
    name: str = "hugo.toml",
    domain: str | None = None,
    sections: Mapping[str, int] | None = None,
) -> Site:
    """The site of a configuration. ``domain`` is what a file CNAME names, ``sections`` counts the posts of each first
    folder below ``content``."""
    found = Findings()
    data = mapping(lowered(data))
    main = _language(data)
    own, params = mapping(main), mapping(data.get("params"))
    place = f"{name}: languages.{_main(data)}." if own else f"{name}: "
    for source, origin in ((own, place), (data, f"{name}: ")):
        found.take("title", source.get("title"), f"{origin}title")
        found.take("rights", source.get("copyright"), f"{origin}copyright")
        for key in ("locale", "languagecode"):
            found.language(source.get(key), f"{origin}{_spelled(key)}")
    found.language(_main(data), f"{name}: defaultContentLanguage")
    _address(found, data, own, name, domain)
    found.take("timezone", data.get("timezone"), f"{name}: timeZone")
    inner = mapping(own.get("params"))
    found.author(inner.get("author") or params.get("author"), f"{name}: params.author")
    found.author(data.get("author"), f"{name}: author")
    for source, origin in ((inner, f"{place}params."), (params, f"{name}: params.")):
        found.first("description", source, ("description", "subtitle"), origin)
    folder = text(own.get("contentdir")) or text(data.get("contentdir"))
    if folder and folder.strip("./") and folder.strip("/") != "content":
        found.take("posts", folder.strip("/").removeprefix("./"), f"{name}: contentDir")
    _permalink(found, data, name, sections or {})
    for key, field in (("buildfuture", "future"), ("builddrafts", "drafts")):
        if data.get(key) is True:
            found.keep(field, True, f"{name}: {_spelled(key)}")
    _languages(found, data)
    return found.site("hugo", _feed(data), text(data.get("publishdir")) or "public")


_SPELLED = {
    "languagecode": "languageCode",
    "buildfuture": "buildFuture",
    "builddrafts": "buildDrafts",
    "baseurl": "baseURL",
}


def _spelled(key: str) -> str:
    return _SPELLED.get(key, key)


def _main(data: Mapping[str, object]) -> str | None:
    return text(data.get("defaultcontentlanguage"))


def _language(data: Mapping[str, object]) -> object:
    return mapping(data.get("languages")).get((_main(data) or "en").lower())


def _address(
    found: Findings, data: Mapping[str, object], own: Mapping[str, object], name: str, domain: str | None
) -> None:
    for source in (own, data):
        address = text(source.get("baseurl"))
        if address and "://" in address:
            found.take("url", address.rstrip("/"), f"{name}: baseURL")
    if domain:
        found.take("url", f"https://{domain}", "CNAME")


def _permalink(found: Findings, data: Mapping[str, object], name: str, sections: Mapping[str, int]) -> None:
    """That of the section with the most posts; a run reads those of the others in the site itself."""
    links = mapping(data.get("permalinks"))
    pages = {**links, **mapping(links.get("page"))}
    templates = {section: link for section, link in pages.items() if isinstance(link, str)}
    ugly = data.get("uglyurls") is True
    present = {section.lower(): count for section, count in sections.items() if count}
    main = max(present, key=lambda section: (present[section], section), default="")
    if not main and len(templates) == 1:
        main = next(iter(templates))
    wanted = templates.get(main)
    if wanted is not None:
        found.take("permalink", _ended(wanted, ugly=ugly), f"{name}: permalinks.{main}")
    elif ugly:
        found.take("permalink", _ended(_DEFAULT, ugly=True), f"{name}: uglyURLs")


def _ended(template: str, *, ugly: bool) -> str:
    """``uglyURLs`` makes ``/a/b/`` the file ``/a/b.html``."""
    if not ugly:
        return template
    return template if template.endswith(".html") else f"{template.rstrip('/')}.html"


def _languages(found: Findings, data: Mapping[str, object]) -> None:
    names: Collection[str] = mapping(data.get("languages")).keys()
    if len(names) > 1:
        found.remark(
            f"the site has several languages ({', '.join(sorted(names))}); digest takes their posts together, so write "
            "a configuration for each, with posts.exclude"
        )


def _feed(data: Mapping[str, object]) -> PresentFeed | None:
    kinds = {kind.lower() for kind in texts(data.get("disablekinds"))}
    outputs = mapping(data.get("outputs"))
    home = {each.lower() for each in texts(outputs.get("home"))} if "home" in outputs else {"html", "rss"}
    if "rss" in kinds or "rss" not in home:
        return None
    formats = mapping(mapping(data.get("outputformats")).get("rss"))
    file = f"{text(formats.get('basename')) or 'index'}.xml"
    services = mapping(mapping(data.get("services")).get("rss"))
    taxonomies = mapping(data.get("taxonomies")) if "taxonomies" in data else {"category": "categories"}
    by_term = "term" not in outputs or "rss" in {each.lower() for each in texts(outputs.get("term"))}
    plural = text(taxonomies.get("category"))
    return PresentFeed(
        maker="Hugo's RSS",
        paths=(file,),
        categories=f"{plural}/*/{file}" if plural and by_term and not kinds & {"term", "taxonomy"} else "",
        limit=number(services.get("limit")) or number(data.get("rsslimit")),
        ids="permalink",
        switch_off='take "rss" out of outputs.home, .section and .term (or write disableKinds = ["rss"])',
    )

"""Hugo's configuration (https://gohugo.io/configuration/), and the RSS feeds that Hugo makes by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    key = main_language(data)
    own, params = mapping(mapping(data.get("languages")).get(key)), mapping(data.get("params"))
    place = f"{name}: languages.{key}." if own else f"{name}: "
    for source, origin in ((own, place), (data, f"{name}: ")):
        found.take("title", source.get("title"), f"{origin}title")
        found.take("rights", source.get("copyright"), f"{origin}copyright")
        for key in ("locale", "languagecode"):
            found.language(source.get(key), f"{origin}{_spelled(key)}")
    found.language(text(data.get("defaultcontentlanguage")), f"{name}: defaultContentLanguage")
    if own:
        found.language(key, f"{name}: languages")
    _address(found, data, own, name, domain)
    found.take("timezone", data.get("timezone"), f"{name}: timeZone")
    inner = mapping(own.get("params"))
    found.author(inner.get("author") or params.get("author"), f"{name}: params.author")
    found.author(data.get("author"), f"{name}: author")
    for source, origin in ((inner, f"{place}params."), (params, f"{name}: params.")):
        found.first("description", source, ("description", "subtitle"), origin)
    spoken = [each for each in languages_of(data) if not is_disabled(each, data)]
    folder = (text(own.get("contentdir")) or text(data.get("contentdir"))) if len(spoken) < 2 else None
    if folder and folder.strip("./") and folder.strip("/") != "content":
        found.take("posts", folder.strip("/").removeprefix("./"), f"{name}: contentDir")
    _permalink(found, data, name, sections or {})
    for key, field in (("buildfuture", "future"), ("builddrafts", "drafts")):
        if data.get(key) is True:
            found.keep(field, True, f"{name}: {_spelled(key)}")
    _languages(found, data, spoken, name)
    _unread(found, data, name)
    return found.site("hugo", _feed(data), text(data.get("publishdir")) or "public")


_SPELLED = {
    "languagecode": "languageCode",
    "buildfuture": "buildFuture",
    "builddrafts": "buildDrafts",
    "baseurl": "baseURL",
}


def _spelled(key: str) -> str:
    return _SPELLED.get(key, key)


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


def languages_of(config: Mapping[str, object]) -> list[str]:
    """The keys of the languages, those that are disabled too, in the order of their weights."""
    found = mapping(config.get("languages"))
    weights = {key: mapping(own).get("weight") for key, own in found.items() if isinstance(own, dict)}
    return sorted(weights, key=lambda key: weight if isinstance(weight := weights[key], int) and weight else 1 << 30)


def main_language(config: Mapping[str, object]) -> str:
    """The key of the default language; of the first if that is none of them."""
    main = str(config.get("defaultcontentlanguage") or "en").lower()
    keys = languages_of(config)
    return keys[0] if keys and main not in keys else main


def is_disabled(key: str, config: Mapping[str, object]) -> bool:
    """Whether a language is."""
    named = config.get("disablelanguages")
    names = named if isinstance(named, list) else str(named or "").split()
    own = mapping(mapping(config.get("languages")).get(key))
    return own.get("disabled") is True or key in {str(name).lower() for name in names}


def tag_of(key: str, config: Mapping[str, object]) -> str:
    """What a language calls itself, which should be its tag; else its key."""
    own = mapping(mapping(config.get("languages")).get(key))
    return next((found for name in ("locale", "languagecode") if (found := text(own.get(name)))), key)


def _languages(found: Findings, data: Mapping[str, object], spoken: Sequence[str], name: str) -> None:
    """Those of a site that has several: each gets its feeds."""
    languages = mapping(data.get("languages"))
    if len(spoken) < 2:
        return
    tags = tuple(tag_of(key, data).replace("_", "-") for key in spoken)
    found.keep("languages", tags, f"{name}: languages")
    shared = text(data.get("contentdir")) or "content"
    folders = {key: (text(mapping(languages.get(key)).get("contentdir")) or shared).strip("./") for key in spoken}
    for key, folder in folders.items():
        inside = [other for other, place in folders.items() if folder.startswith(f"{place}/")]
        if inside:
            found.remark(
                f"{name}: {folder} ({key}) is in the folder of {', '.join(inside)}: Hugo publishes its pages in both, "
                f"digest takes them in {key} alone"
            )


def _unread(found: Findings, data: Mapping[str, object], name: str) -> None:
    """What changes pages or their addresses and is not read."""
    module = mapping(data.get("module"))
    if any(target.startswith("content/") for target in _targets(module)):
        found.remark(f"{name}: module.mounts below content are not read: pages in them are left out")
    imports = module.get("imports")
    if isinstance(imports, list) and any("content" in target for each in imports for target in _targets(mapping(each))):
        found.remark(f"{name}: module.imports are not read: pages that come from other modules are left out")


def _targets(module: Mapping[str, object]) -> list[str]:
    """Where folders of a module are put."""
    mounts = module.get("mounts")
    return [text(mapping(mount).get("target")) or "" for mount in mounts] if isinstance(mounts, list) else []


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

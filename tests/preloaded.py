"""What the processes of ``program.py`` have in common, and need not load again: the program, and its templates."""

import gc
import importlib
import pkgutil

import pytest

import digest
from digest.languages import CatalogueLanguage
from digest.templates import FolderTemplates
from tests.compiled import compile_templates_once

LATE = [
    "babel.dates", "babel.numbers", "boto3", "css_inline", "feedgen.feed", "jinja2", "lxml.etree", "markdown_it", "nh3",
    "psycopg", "regex", "yaml",
]  # fmt: skip
"""What the program imports when it needs it."""

for module in pkgutil.walk_packages(digest.__path__, "digest."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name in LATE:
    importlib.import_module(name)

compile_templates_once(pytest.MonkeyPatch())
for tag in ("zh-CN", "en"):
    templates = FolderTemplates(CatalogueLanguage(tag))
    templates.sources(templates.packaged())
    for name in templates.packaged():
        templates._environment.get_template(name)

gc.collect()
gc.freeze()  # so that it stays shared

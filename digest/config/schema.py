"""The JSON Schema of the configuration, derived from the settings' classes.

For editors, with types, titles and defaults: ``docs/config.schema.json``, printed by ``python -m digest.config``. The
program itself does not use it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from digest.config import settings as settings_module
from digest.config.channels import CHANNEL_KINDS, ChannelSettings, ConfiguredChannel, settings_of
from digest.config.settings import Settings
from digest.config.values import FORMATS, Mailbox, Mailboxes, MailSize, Pause, Rate, Size

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TITLE = {
    "title": "Configuration of digest (config.yaml)",
    "description": "What to collect, publish and mail; docs/configuration.md explains every key.",
}

Schema = dict[str, Any]

_NOT_ONLY_TEXT: dict[type, Schema] = {
    Size: {"type": ["integer", "string"], "minimum": 1, "maximum": Size.most},
    MailSize: {"type": ["integer", "string"], "minimum": 1, "maximum": MailSize.most},
    Pause: {"type": ["integer", "string"], "minimum": 0, "maximum": 0},
    Rate: {"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": Rate.most},
    Mailboxes: {"type": ["string", "array"], "items": {"type": "string", "format": Mailbox.schema_format}},
}


def editor_schema() -> Schema:
    """For editors: complete in itself."""
    schema = _build(_schema_of)
    for definition in schema["$defs"].values():
        _add_defaults(definition)
    top = schema["$defs"].pop(Settings.__name__)
    entry = top["properties"]["sources"]["items"]
    entry["anyOf"].append(_of_plugins(list(entry.pop("discriminator")["mapping"])))
    return {"$schema": DIALECT, **top, **_TITLE, "$defs": schema["$defs"]}


def _of_plugins(ours: list[str]) -> Schema:
    """Kinds that are not ours: what else they have, their plug-in knows."""
    return {"type": "object", "required": ["kind", "name"], "properties": {"kind": {"not": {"enum": ours}}}}


def _schema_of(kind: type) -> Schema:
    if kind is ConfiguredChannel:
        return {"$ref": f"#/$defs/{ChannelSettings.__name__}"}
    return {"format": FORMATS[kind], **_NOT_ONLY_TEXT.get(kind, {"type": "string"})}


def _channel(hook: Any) -> Schema:
    """What an entry of ``channels`` may have; those of foreign kinds have other keys besides."""
    channel: Schema = msgspec.json.schema(ChannelSettings, schema_hook=hook)["$defs"][ChannelSettings.__name__]
    for own in map(settings_of, CHANNEL_KINDS):
        channel["properties"] |= msgspec.json.schema(own, schema_hook=hook)["$defs"][own.__name__]["properties"]
    return {**channel, "additionalProperties": True}


def _build(hook: Any) -> Schema:
    schema = msgspec.json.schema(Settings, schema_hook=hook)
    schema["$defs"][ChannelSettings.__name__] = _channel(hook)
    return {**schema, "$defs": {name: _without_null(part) for name, part in schema["$defs"].items()}}


def _without_null(node: Any) -> Any:
    """An optional key is left out, not set to null; what remains of its alternatives stands alone."""
    if isinstance(node, list | tuple):
        return [_without_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    cleaned = {key: _without_null(value) for key, value in node.items() if (key, value) != ("default", None)}
    branches = cleaned.get("anyOf", [])
    if {"type": "null"} in branches and len(branches) == 2 and "description" in cleaned:
        branches.remove({"type": "null"})
        return {**cleaned.pop("anyOf")[0], **cleaned}
    return cleaned


def _add_defaults(definition: Schema) -> None:
    """Defaults that are no plain JSON, as a user would write them."""
    kind = vars(settings_module).get(definition["title"])
    properties = definition.get("properties", {})
    if kind is not None and kind.__struct_config__.tag is not None:
        properties["kind"]["description"] = "What this entry is."
    for field in msgspec.structs.fields(kind) if kind is not None else ():
        written = properties[field.encode_name]
        if isinstance(field.default_factory, partial):
            written["default"] = field.default_factory.args[0]
        if not written.get("default", True) and written.get("default") is not False:
            del written["default"]

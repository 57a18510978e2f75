"""``python -m digest.config`` prints the JSON Schema of ``config.yaml``, for ``docs/config.schema.json``."""

from __future__ import annotations

import json

from digest.config.schema import editor_schema

print(json.dumps(editor_schema(), ensure_ascii=False, indent=2))

"""Helpers lie beside the tests that they were made for."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

for helpers in ("check", "delivery"):
    folder = str(Path(__file__).parent.parent / helpers)
    if folder not in sys.path:
        sys.path.append(folder)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For localhost and 127.0.0.1; trusted by whoever names it as its CA."""
    from scripted_smtp import make_certificate

    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")

"""The scripted server lies beside the tests of delivery."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

HELPERS = str(Path(__file__).parent.parent / "delivery")
if HELPERS not in sys.path:
    sys.path.append(HELPERS)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and 127.0.0.1."""
    from scripted_smtp import make_certificate

    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for another host."""
    from scripted_smtp import make_certificate

    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    return make_certificate(tmp_path_factory.mktemp("tls"), "other.example")

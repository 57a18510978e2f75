"""Tokens of links: short, unforgeable, good for one purpose, alive after a new key."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.app.secret import open_keyring
from digest.errors import ConfigError
from digest.subscribers.tokens import LENGTH, Keyring, Purpose, Token, new_keyring_text, parse_keyring

SECRET = "k" * 43
KEYS = Keyring({1: SECRET})

tokens = st.builds(
    Token,
    purpose=st.sampled_from(Purpose),
    subject=st.integers(0, 2**40 - 1),
    list_key=st.integers(0, 2**24 - 1),
)


@given(tokens)
def test_a_token_is_short_and_says_what_it_was_made_for(token: Token) -> None:
    """35 URL-safe characters, whatever is in it."""
    text = KEYS.sign(token)
    assert re.fullmatch(r"[A-Za-z0-9_-]{35}", text)
    assert len(text) == LENGTH
    assert KEYS.read(text) == token


@given(tokens, st.integers(0, 26 * 8 - 1))
def test_every_changed_bit_makes_it_worthless(token: Token, bit: int) -> None:
    """Purpose, key, subject, list and code are all bound together."""
    data = bytearray(base64.urlsafe_b64decode(KEYS.sign(token) + "="))
    data[bit // 8] ^= 1 << bit % 8
    assert KEYS.read(base64.urlsafe_b64encode(bytes(data)).decode().rstrip("=")) is None


@given(st.text(max_size=50))
def test_rubbish_is_worthless(text: str) -> None:
    assert KEYS.read(text) is None


def test_the_last_character_has_no_other_spelling() -> None:
    """26 octets leave two bits of the last character unused; only one of the four spellings counts."""
    text = KEYS.sign(Token(purpose=Purpose.MANAGE, subject=1))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert [sign for sign in alphabet if KEYS.read(text[:-1] + sign)] == [text[-1]]


def test_another_secret_reads_nothing() -> None:
    text = KEYS.sign(Token(purpose=Purpose.UNSUBSCRIBE, subject=5, list_key=1))
    assert Keyring({1: "o" * 43}).read(text) is None
    assert Keyring({2: SECRET}).read(text) is None


def test_a_purpose_that_does_not_exist_is_worthless() -> None:
    head = bytes((99, 1)) + bytes(8)
    from digest.subscribers.tokens import _mac

    text = base64.urlsafe_b64encode(head + _mac(KEYS._tokens[1], head)).decode().rstrip("=")
    assert KEYS.read(text) is None


def test_old_links_work_after_a_new_key() -> None:
    """The newest key signs, all of them verify; addresses keep their hash."""
    old = KEYS.sign(Token(purpose=Purpose.UNSUBSCRIBE, subject=5, list_key=1))
    both = Keyring({1: SECRET, 2: "n" * 43})
    assert both.read(old) == KEYS.read(old)
    new = both.sign(Token(purpose=Purpose.UNSUBSCRIBE, subject=5, list_key=1))
    assert new != old
    assert KEYS.read(new) is None
    assert both.hashed("a@example.org") == KEYS.hashed("a@example.org")


def test_ids_beyond_their_octets_are_refused() -> None:
    with pytest.raises(OverflowError):
        KEYS.sign(Token(purpose=Purpose.MANAGE, subject=2**40))


def test_hashes_of_addresses_need_the_secret() -> None:
    assert KEYS.hashed("a@example.org") != KEYS.hashed("b@example.org")
    assert KEYS.hashed("a@example.org") != Keyring({1: "o" * 43}).hashed("a@example.org")
    assert re.fullmatch("[0-9a-f]{32}", KEYS.hashed("a@example.org"))


@pytest.mark.parametrize(
    "text", [SECRET, f"1:{SECRET}", f"# a comment\n1:{SECRET}  # and one here\n", f" {SECRET}\n", f"01:{SECRET}"]
)
def test_a_keyring_is_written_in_several_ways(text: str) -> None:
    token = Token(purpose=Purpose.MANAGE, subject=1)
    assert parse_keyring(text).sign(token) == KEYS.sign(token)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no secret"),
        ("# nothing\n", "no secret"),
        ("short", "shorter than 22"),
        (f"0:{SECRET}", "1 to 255"),
        (f"256:{SECRET}", "1 to 255"),
        (f"1:{SECRET} 1:{SECRET}", "two keys"),
        (f"{SECRET} {SECRET}", "two keys"),
    ],
)
def test_a_bad_keyring_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_keyring(text)


def test_a_keyring_does_not_print_its_secrets() -> None:
    assert SECRET not in repr(KEYS)
    assert repr(KEYS) == "Keyring(1 keys)"


class TestFile:
    """The secret's file."""

    def test_is_made_at_first_use_for_its_owner_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "var" / "secret"
        first = open_keyring(path, {})
        assert path.stat().st_mode & 0o777 == 0o600
        assert [each.name for each in path.parent.iterdir()] == ["secret"]
        assert open_keyring(path, {}).hashed("a") == first.hashed("a")

    def test_a_dry_run_makes_none(self, tmp_path: Path) -> None:
        open_keyring(tmp_path / "var" / "secret", {}, make=False)
        assert not (tmp_path / "var").exists()

    def test_the_environment_wins(self, tmp_path: Path) -> None:
        keys = open_keyring(tmp_path / "secret", {"DIGEST_SECRET": SECRET})
        assert keys.hashed("a") == KEYS.hashed("a")
        assert not (tmp_path / "secret").exists()

    @pytest.mark.parametrize(("content", "cause"), [(b"short", "shorter"), (b"\xff\xfe", "it is not UTF-8 text")])
    def test_a_bad_one_is_reported_without_what_it_holds(self, tmp_path: Path, content: bytes, cause: str) -> None:
        (tmp_path / "secret").write_bytes(content)
        with pytest.raises(ConfigError, match=cause) as caught:
            open_keyring(tmp_path / "secret", {})
        assert "short;" not in str(caught.value)

    def test_a_folder_in_its_place_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            open_keyring(tmp_path, {})
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match=r"cannot be (read|written)"):
            open_keyring(tmp_path / "file" / "secret", {})

    def test_two_at_once_end_with_one_secret(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever finds the file there when it puts its own in place takes that one."""
        path = tmp_path / "secret"
        real = Path.read_text
        seen: list[int] = []

        def late(self: Path, *args: object, **kwargs: object) -> str:
            if self == path and not seen:
                seen.append(1)
                path.write_text(f"1:{SECRET}")
                raise FileNotFoundError
            return real(self, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(Path, "read_text", late)
        assert open_keyring(path, {}).hashed("a") == KEYS.hashed("a")

    def test_a_new_one_is_random_and_explains_itself(self) -> None:
        text = new_keyring_text(bytes(range(32)))
        assert text.startswith("# ")
        parse_keyring(text)

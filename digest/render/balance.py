"""The balance line: where everything is that arrived. The same sum wherever an edition appears, and it adds up."""

from __future__ import annotations

from msgspec import Struct

from digest.edition.contents import Balance, Entry, Shown
from digest.ports import Language


class BalanceLine(Struct, frozen=True, kw_only=True):
    """``312 new = 24 here``, ``41 grouped with them``, ``247 on the full page``: the terms of the sum, ready for a
    template. Those of nothing are empty."""

    alone: str = ""
    """The whole line if there is nothing to add up."""
    here: str = ""
    grouped: str = ""
    page: str = ""

    @property
    def text(self) -> str:
        """In one line, without links."""
        return self.alone or " + ".join(term for term in (self.here, self.grouped, self.page) if term)


def balance_line(balance: Balance, language: Language) -> BalanceLine:
    """For the mail and the feed of editions, which have a full page beside them."""
    if not balance.arrived:
        return BalanceLine(alone=language.text("Nothing new."))
    if not balance.grouped and not balance.page:
        return BalanceLine(
            alone=language.plural("{count} new, and it is here", "{count} new, all of them here", balance.arrived)
        )
    number = language.number
    return BalanceLine(
        here=language.text("{arrived} new = {here} here", arrived=number(balance.arrived), here=number(balance.here)),
        grouped=_grouped(balance, language),
        page=language.text("{page} on the full page", page=number(balance.page)) if balance.page else "",
    )


def page_balance_line(balance: Balance, language: Language) -> BalanceLine:
    """For the full page itself."""
    if not balance.arrived:
        return BalanceLine(alone=language.text("Nothing new."))
    number = language.number
    if not balance.grouped and not balance.page:
        return BalanceLine(
            alone=language.plural(
                "{count} new, and it is in the mail", "{count} new, all of them in the mail", balance.arrived
            )
        )
    return BalanceLine(
        here=language.text(
            "{arrived} new = {here} in the mail", arrived=number(balance.arrived), here=number(balance.here)
        ),
        grouped=_grouped(balance, language),
        page=language.text("{page} on this page only", page=number(balance.page)) if balance.page else "",
    )


def first_of(entries: tuple[Entry, ...], shown: Shown) -> Entry | None:
    """The first post that is shown so, in the order of the page: where a term of the sum leads."""
    return next((entry for entry in entries if entry.shown is shown), None)


def _grouped(balance: Balance, language: Language) -> str:
    if not balance.grouped:
        return ""
    return language.text("{grouped} grouped with them", grouped=language.number(balance.grouped))

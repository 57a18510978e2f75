"""A real browser that tells what a document tries to do: run, load, open, hide."""

from __future__ import annotations

from typing import Any

_WATCH = """
window.hits = [];
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open', 'fetch', 'msgbox'])
  window[name] = (...words) => { window.hits.push(`${name}(${words})`); };
"""

_LOOK = """(known) => {
  const banned = new Set(['iframe', 'object', 'embed', 'applet', 'frame', 'frameset', 'base', 'svg', 'math', 'portal',
    'video', 'audio', 'marquee', 'isindex', 'plaintext', 'xmp', 'template', 'noscript']);
  const places = new Set(['href', 'src', 'action', 'formaction', 'data', 'poster', 'background', 'xlink:href', 'cite',
    'srcset', 'longdesc', 'codebase', 'manifest', 'ping']);
  const found = [...window.hits];
  for (const element of document.querySelectorAll('*')) {
    const tag = element.localName;
    if (banned.has(tag) && !known.includes(`<${tag}>`)) found.push(`<${tag}>`);
    if (tag === 'script' && !known.includes(element.textContent)) found.push(`<script> ${element.textContent}`);
    if (tag === 'style' && !known.includes(element.textContent)) found.push(`<style> ${element.textContent}`);
    if (tag === 'form' && !known.includes('<form>')) found.push('<form>');
    if (tag === 'meta' && element.httpEquiv.toLowerCase() === 'refresh') found.push('<meta refresh>');
    if (tag === 'link' && /stylesheet|preload|import/i.test(element.rel)) found.push(`<link ${element.rel}>`);
    if (element.shadowRoot) found.push('shadow root');
    for (const {name, value} of element.attributes) {
      if (/^on/i.test(name)) found.push(`${tag} ${name}=${value}`);
      if (name === 'style' && /url\\(|expression|binding|behavior|position\\s*:\\s*(fixed|absolute)/i.test(value))
        found.push(`${tag} style=${value}`);
      if (!places.has(name)) continue;
      let address;
      try { address = new URL(value, document.baseURI); } catch { continue; }
      if (!['http:', 'https:', 'mailto:'].includes(address.protocol)) found.push(`${tag} ${name}=${value}`);
    }
  }
  return found;
}"""


class Trap:
    """One page after the other, with scripts on, and without the content policy that would stop them."""

    place = "https://trap.example/page"

    def __init__(self, browser: Any) -> None:
        self._context = browser.new_context(bypass_csp=True, ignore_https_errors=True)
        self._context.add_init_script(_WATCH)
        self._found: list[str] = []
        self._html = ""
        self._page = self._context.new_page()
        self._page.route("**/*", self._answer)
        self._page.on("dialog", self._dismiss)

    def close(self) -> None:
        self._context.close()

    def look(self, html: str, *, known: tuple[str, ...] = (), images: bool = False) -> list[str]:
        """What a document does, or would when it is touched. ``known`` are contents of scripts and styles that belong
        there, and elements that do (``<form>``); with ``images`` it may load pictures, sounds and films."""
        self._found, self._html, self._images = [], html, images
        self._page.goto(self.place, wait_until="load")
        try:
            self._page.wait_for_function("() => document.readyState === 'complete'")
            self._found += self._page.evaluate(_LOOK, list(known))
        except Exception as error:  # it went away: that is a finding, too
            self._found.append(f"lost: {type(error).__name__}")
        return self._found

    def count(self, selector: str) -> int:
        """How many such elements the document has that was looked at last."""
        return int(self._page.locator(selector).count())

    def _dismiss(self, dialog: Any) -> None:
        self._found.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _answer(self, route: Any) -> None:
        request = route.request
        if request.url == self.place and request.is_navigation_request() and request.frame == self._page.main_frame:
            route.fulfill(body=self._html, content_type="text/html; charset=utf-8")
            return
        if not (self._images and request.resource_type in ("image", "media")):
            self._found.append(f"request {request.url}")
        route.abort()

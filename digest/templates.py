"""The templates: where they lie and how strict they are.

A folder of the user's own overrides single files of the ones that come with the program, which are there as
``shipped/NAME`` too, so that one of the user's can extend the one that it replaces. Everything is escaped
unless the template's name ends in ``.txt``; a name that is not given is an error; templates see values, never
the program's objects for settings or store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from digest.errors import TemplateError
from digest.text import isolated, turns
from digest.theme import Theme

if TYPE_CHECKING:
    import jinja2
    from jinja2.nodes import EvalContext

    from digest.ports import Language
    from digest.render.typography import Pieces


SHIPPED = "shipped/"
"""Before the name of a template: the one that comes with the program, whatever the user's folder has."""
_SLIPS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What an expression in a template can go wrong with, besides Jinja2's own complaints."""


def packaged_templates() -> Path:
    """The folder of templates that come with the program: inside the wheel, or beside the package in a checkout."""
    inside = Path(__file__).parent / "_templates"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "templates"


def folders(override: Path | None) -> list[Path]:
    """Where templates are looked for, in this order."""
    return [folder for folder in (override, packaged_templates()) if folder is not None]


def fingerprint(folders: Iterable[Path]) -> str:
    """Changes when any template file in these folders does."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                try:
                    digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
                except OSError as error:
                    raise TemplateError(str(path), f"it cannot be read: {str(error.strerror).lower()}") from error
    return digest.hexdigest()


class FrozenTemplates:
    """Templates as they were when somebody asked for their text. Satisfies ``ports.Templates``."""

    def __init__(
        self, language: Language, sources: Mapping[str, str], theme: Theme | None = None, *, mail_form: str = ""
    ) -> None:
        """``mail_form`` is the address of the page on which people subscribe to mail; empty if pages name none."""
        self._language = language
        self._sources = sources
        self.theme = theme or Theme()
        self._mail_form = mail_form

    def _loader(self) -> jinja2.BaseLoader:
        import jinja2

        return jinja2.DictLoader(self._sources)

    def _place(self, name: str, error: Exception) -> str:
        """Where it failed."""
        return name

    @cached_property
    def _environment(self) -> jinja2.Environment:
        import jinja2  # late: most runs have nothing to render

        language = self._language
        environment = jinja2.Environment(
            loader=self._loader(),
            autoescape=lambda name: name is None or not name.endswith(".txt"),  # noqa: S701 - plain text is not escaped
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.globals.update(
            {
                "_": _saying(language),
                "plural": language.plural,
                "language": language.spoken,
                "direction": language.direction,
            }
        )
        theme = self.theme
        environment.globals.update(
            {
                "mail_form": self._mail_form,
                "look": theme,
                "light": theme.light,
                "dark": theme.dark,
                "fonts": theme.fonts(language.spoken),
            }
        )
        environment.filters["speaks"] = _speaking(language)
        environment.filters["isolated"] = _isolating(language.direction)
        from digest.render.typography import headline_pieces, running_pieces  # late: most runs render nothing

        environment.filters["headline"] = _set(language.direction, headline_pieces)
        environment.filters["running"] = _set(language.direction, running_pieces)
        environment.filters.update(
            {"day": language.day, "long_day": language.long_day, "time": language.time, "number": language.number}
        )
        return environment

    def render(self, name: str, context: Mapping[str, object]) -> str:
        import jinja2

        try:
            return self._environment.get_template(name).render(context)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"{error.filename or error.name}:{error.lineno}", str(error.message)) from error
        except jinja2.TemplateNotFound as error:
            place = self._place(name, error)
            remedy = "" if place == error.name else f"it is asked for in {place}; correct the name"
            raise TemplateError(str(error.name), "no such template", remedy) from error
        except jinja2.TemplateError as error:
            raise TemplateError(self._place(name, error), str(error.message)) from error
        except RecursionError as error:
            remedy = f"to build on the one that comes with the program, write {SHIPPED} before its name"
            cause = "endless recursion: it extends, includes or calls itself"
            raise TemplateError(self._place(name, error), cause, remedy) from error
        except _SLIPS as error:
            raise TemplateError(self._place(name, error), str(error) or type(error).__name__) from error

    def sources(self, names: Iterable[str]) -> dict[str, str]:
        """Also of those that are only named if they are there. Whoever chooses at run time may choose any."""
        import jinja2
        from jinja2 import meta

        found: dict[str, str] = {}
        named = list(names)
        while named:
            name = named.pop()
            if name not in found:
                with suppress(jinja2.TemplateNotFound):
                    found[name], file, _ = self._loader().get_source(self._environment, name)
                    try:
                        others = [*meta.find_referenced_templates(self._environment.parse(found[name], name, file))]
                    except jinja2.TemplateSyntaxError as error:  # today's mail may not have needed it
                        raise TemplateError(f"{file or name}:{error.lineno}", str(error.message)) from error
                    named += self._all() if None in others else [other for other in others if other is not None]
        return found

    def _all(self) -> list[str]:
        return list(self._sources)


def _saying(language: Language) -> Callable[..., str]:
    """Texts as ``Language.text``; in one that is given a link or other HTML, that stays as it is."""
    from markupsafe import Markup, escape

    def say(message: str, **values: object) -> str:
        if any(isinstance(value, Markup) for value in values.values()):
            return escape(language.text(message)).format(**values)
        return language.text(message, **values)

    return say


def _speaking(language: Language) -> Callable[[str | None], str]:
    """A filter for the language (BCP 47) of what others wrote, nothing meaning the site's own: the attributes that say
    it, and its direction, where the page says another (WCAG 2.1, 3.1.2)."""
    from markupsafe import Markup

    def speak(tag: str | None) -> str:
        lang = tag or language.tag
        if lang.lower() == language.spoken.lower():
            return ""
        direction = language.direction_of(lang)
        turned = "" if direction == language.direction else Markup(' dir="{}"').format(direction)
        return Markup(' lang="{}"{}').format(lang, turned)

    return speak


def _isolating(direction: str) -> Callable[[EvalContext, str], str]:
    """A filter for what others wrote in a script of the other direction: it would turn round what stands beside it."""
    from jinja2 import pass_eval_context
    from markupsafe import Markup

    @pass_eval_context
    def isolate(context: EvalContext, text: str) -> str:
        if context.autoescape and turns(text, direction):
            return Markup('<bdi dir="auto">{}</bdi>').format(text)
        return text if context.autoescape else isolated(text, direction)

    return isolate


def _set(direction: str, pieces_of: Callable[[str], Pieces]) -> Callable[..., str]:
    """A filter that keeps together what belongs together (``render.typography``), and isolates as ``isolated`` does.
    ``gap`` puts a blank at its end that does not begin the next line."""
    from jinja2 import pass_eval_context
    from markupsafe import Markup, escape

    from digest.render.typography import NO_BREAK_SPACE

    isolate = _isolating(direction)

    @lru_cache(maxsize=4096)  # each draft of a mail has the same texts
    def in_pieces(text: str, tail: str) -> str:
        *before, (last, kind) = pieces_of(text) or (("", ""),)
        return Markup("").join(
            Markup('<span class="{}">{}</span>').format(name, piece) if name else escape(piece)
            for piece, name in (*before, (last + tail, kind))
        )

    @pass_eval_context
    def typeset(context: EvalContext, text: str, gap: bool = False) -> str:
        tail = NO_BREAK_SPACE if gap else ""
        if not context.autoescape or turns(text, direction):
            return isolate(context, text) + tail
        return in_pieces(text, tail)

    return typeset


class FolderTemplates(FrozenTemplates):
    """Templates from folders, the first one that has a file wins."""

    def __init__(
        self,
        language: Language,
        override: Path | None = None,
        theme: Theme | None = None,
        *,
        mail_form: str = "",
    ) -> None:
        super().__init__(language, {}, theme, mail_form=mail_form)
        self._folders = folders(override)
        self._loaded: set[str] = set()

    def _loader(self) -> jinja2.BaseLoader:
        import jinja2

        files = jinja2.FileSystemLoader([str(folder) for folder in self._folders])
        shipped = jinja2.FileSystemLoader(str(self._folders[-1]))

        def load(name: str) -> tuple[str, str | None, Callable[[], bool] | None]:
            if name.startswith(SHIPPED):
                try:
                    return self._source(shipped, name.removeprefix(SHIPPED))
                except jinja2.TemplateNotFound as error:
                    raise jinja2.TemplateNotFound(name) from error
            self._loaded.add(name)
            return self._source(files, name)

        return jinja2.FunctionLoader(load)

    def _all(self) -> list[str]:
        return [*self.packaged(), *self.overrides(), *(SHIPPED + name for name in self.packaged())]

    def _source(self, files: jinja2.FileSystemLoader, name: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        import jinja2

        try:
            return files.get_source(self._environment, name)
        except jinja2.TemplateNotFound:  # which is an OSError too
            raise
        except UnicodeDecodeError as error:
            raise TemplateError(self._found(name), "it is not UTF-8 text", "save it as UTF-8") from error
        except OSError as error:
            raise TemplateError(self._found(name), f"it cannot be read: {str(error.strerror).lower()}") from error

    def _found(self, name: str) -> str:
        """The file that is taken for a template."""
        return f"{next((folder / name for folder in self._folders if (folder / name).is_file()), name)}:1"

    def overrides(self) -> list[str]:
        """Names of the files in the user's own folder; hidden ones are none."""
        return _names(self._folders[0]) if len(self._folders) > 1 else []

    def packaged(self) -> list[str]:
        """Names of the templates that come with the program."""
        return _names(self._folders[-1])

    def used(self) -> set[str]:
        """Names of the templates that were loaded so far."""
        return set(self._loaded)

    def syntax_faults(self) -> list[TemplateError]:
        """What cannot be read of the user's own templates; one fault for each."""
        import jinja2

        faults = []
        for name in self.overrides():
            path = self._folders[0] / name
            try:
                self._environment.parse(path.read_text(encoding="utf-8"), name, str(path))
            except jinja2.TemplateSyntaxError as error:
                faults.append(TemplateError(f"{path}:{error.lineno}", str(error.message)))
            except UnicodeDecodeError:
                if name in self.packaged():
                    faults.append(TemplateError(f"{path}:1", "it is not UTF-8 text"))
            except OSError as error:
                faults.append(TemplateError(f"{path}:1", f"it cannot be read: {str(error.strerror).lower()}"))
        return faults

    def fingerprint(self) -> str:
        """Changes when any template file, the theme or the address of the form does."""
        return hashlib.sha256(f"{fingerprint(self._folders)} {self.theme!r} {self._mail_form}".encode()).hexdigest()

    def _place(self, name: str, error: Exception) -> str:
        """File and line of the template that failed, from the traceback that Jinja2 rewrote."""
        place, frame = name, error.__traceback__
        while frame is not None:
            file = frame.tb_frame.f_code.co_filename
            if any(Path(file).is_relative_to(folder) for folder in self._folders):
                place = f"{file}:{frame.tb_lineno}"
            frame = frame.tb_next
        return place


def _names(folder: Path) -> list[str]:
    """Files below a folder, with ``/``."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))

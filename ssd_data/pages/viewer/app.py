"""The page as a WSGI application. It reads one LMDB and changes nothing: it answers GET and HEAD.
Where the person has named a file for marks, POST sets them.

Names in an LMDB come from strangers: templates escape all of them, addresses have records' numbers
and never their keys, and the content security policy lets nothing run or load but what is here.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property, lru_cache
from importlib import resources
from math import ceil
from typing import Any, TypeAlias

import jinja2
import numpy as np
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.legible import visible
from ssd_data.data.lmdb.store import LmdbReader, files_of
from ssd_data.data.lmdb.survey import Look, class_name, look
from ssd_data.metrics.scores import Ints
from ssd_data.pages.viewer import images
from ssd_data.pages.viewer.choice import MISTAKE_SORTS, MISTAKES, SORTS, Choice, in_letters
from ssd_data.pages.viewer.door import HEADERS, METHODS
from ssd_data.pages.viewer.index import PROBLEMS, Index, Indexed
from ssd_data.pages.viewer.judged import KINDS, Judged
from ssd_data.pages.viewer.marks import Marks
from ssd_data.pages.viewer.select import matching, select
from ssd_data.pages.viewer.sight import MOST_MARKS, MOST_TAGS, TRUTH_KINDS, Sight, sight_of

PAGE = 24
STATIC = {"view.css": "text/css", "view.js": "text/javascript", "icon.svg": "image/svg+xml"}
SIZES = {"small": (None, 32.0), "medium": (32.0, 96.0), "large": (96.0, None)}
Answer: TypeAlias = Callable[..., Response]
ROUTES = Map(
    [
        Rule("/", endpoint="grid", methods=["GET"]),
        Rule("/record/<int:number>", endpoint="record", methods=["GET"]),
        Rule("/picture/<int:number>", endpoint="picture", methods=["GET"]),
        Rule("/thumbnail/<int:number>", endpoint="thumbnail", methods=["GET"]),
        Rule("/mark/<int:number>", endpoint="mark", methods=["POST"]),
        Rule("/unmark/<int:number>", endpoint="unmark", methods=["POST"]),
        Rule("/marked.txt", endpoint="marked", methods=["GET"]),
        Rule("/progress", endpoint="progress", methods=["GET"]),
        Rule("/static/<name>", endpoint="static", methods=["GET"]),
    ],
    merge_slashes=False,  # no redirects
    strict_slashes=False,
)


def _json(value: dict[str, Any]) -> Response:
    response = Response(json.dumps(value), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


class Viewer:
    """One LMDB's page.

    Args:
        reader: the LMDB.
        index: of it, started.
        labelmap: names the classes; None for label numbers.
        judged: detections over its truth.
        marks: its marked records; None where none can be marked.
    """

    def __init__(
        self,
        reader: LmdbReader,
        index: Index,
        labelmap: LabelMap | None = None,
        judged: Judged | None = None,
        marks: Marks | None = None,
    ) -> None:
        self.reader, self.index, self.labelmap, self.judged = reader, index, labelmap, judged
        self.marks = marks
        self.keys = reader.keys()
        # A port may be another LMDB's tomorrow: pictures that browsers keep are told apart by this.
        state = (reader.path / files_of(reader.path)[0]).stat()
        identity = f"{reader.path.resolve()} {state.st_mtime_ns} {state.st_size}"
        self.version = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        self.select = lru_cache(32)(self._select)
        self.templates = jinja2.Environment(
            loader=jinja2.PackageLoader("ssd_data.pages.viewer"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=lambda value: visible(value) if type(value) is str else value,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters["thousands"] = "{:,}".format
        self.templates.globals.update(
            path=visible(str(reader.path)), name=visible(reader.path.resolve().name),
            version=self.version, records=len(self.keys), judged=judged is not None,
            marks=marks, marks_file="" if marks is None else visible(str(marks.file)),
        )  # fmt: skip

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """WSGI."""
        response = self._answer(Request({**environ, **in_letters(environ)}))
        response.headers.extend(HEADERS)
        return response(environ, start)

    def _answer(self, request: Request) -> Response:
        try:
            endpoint, values = ROUTES.bind_to_environ(request.environ).match()
            answer: Answer = getattr(self, f"_{endpoint}")
            return answer(request, **values)
        except HTTPException as error:
            return self._message(request, error, error.description or error.name)
        except UsageError as error:
            return self._message(request, None, error.sentence, 400)
        except InputError as error:
            return self._message(request, None, error.sentence, 500)
        except Exception as error:  # one page's fault must not end the others
            print(visible(f"error: {request.path}: {error!r}"), file=sys.stderr)
            return self._message(request, InternalServerError(), "This page has failed.")

    def _message(
        self, request: Request, error: HTTPException | None, text: str, status: int = 400
    ) -> Response:
        status = error.code or status if error is not None else status
        response = self._page(request, "message.html", status=status, text=visible(text))
        response.status_code = status
        if status == 405 and error is not None:
            valid: Iterable[str] = getattr(error, "valid_methods", None) or METHODS
            response.headers["Allow"] = ", ".join(sorted({*valid} - {"OPTIONS"}))
        return response

    def _page(self, request: Request, template: str, **values: Any) -> Response:
        text = self.templates.get_template(template).render(values, base=request.script_root)
        response = Response(text, mimetype="text/html")
        response.headers["Cache-Control"] = "no-cache"
        return response

    # ---- what is asked for ----

    def _choice(self, request: Request) -> Choice:
        return Choice.read(request.args, self.judged is not None)

    @cached_property
    def _texts(self) -> list[str]:
        """The keys in small letters."""
        return [key.decode("utf-8", "backslashreplace").lower() for key in self.keys]

    def _select(self, choice: Choice) -> Ints:
        """The records of a choice; asked for only where the index is there or is not needed."""
        found = np.arange(len(self.keys))
        if choice.q:
            found = np.flatnonzero([choice.q.lower() in text for text in self._texts])
        if self.index.found is None or not (choice.needs_index or self.judged):
            return found
        return select(found, self.index.found, choice, self.judged)

    def _chosen(self, choice: Choice) -> Ints:
        """The same, of the marked ones alone where they are asked for."""
        found = self.select(replace(choice.chosen, marked=""))
        if not choice.marked:
            return found
        marked = [] if self.marks is None else self.marks.numbers
        return found[np.isin(found, marked)]

    def _indexed(self, choice: Choice) -> bool:
        """Whether a choice can be answered yet.

        Raises:
            InputError: never, since the LMDB is damaged.
        """
        if not choice.needs_index:
            return True
        if self.index.error is not None:
            raise self.index.error
        return self.index.found is not None

    def _look(self, number: int, decode: bool = False) -> Look:
        if number >= len(self.keys):
            raise NotFound(f"There is no record {number}: there are {len(self.keys)}.")
        key = self.keys[number]
        return look(key, self.reader.value(key), decode=decode)

    def _sight(self, number: int, choice: Choice, decode: bool = False) -> Sight:
        indexed, judged = self.index.found, self.judged
        seen = self._look(number, decode)
        if indexed is None:
            return sight_of(number, seen, self.labelmap)
        first = int(np.searchsorted(indexed.record, number))
        wanted = self._matching(choice.chosen, indexed) if choice.about_boxes else None
        return sight_of(number, seen, self.labelmap, wanted, judged, choice.score, first)

    @lru_cache(8)  # noqa: B019 - there is one viewer a process
    def _matching(self, choice: Choice, indexed: Indexed) -> Any:
        return matching(indexed, choice)

    # ---- pages ----

    def _grid(self, request: Request) -> Response:
        choice = self._choice(request)
        ready = self._indexed(choice)
        chosen = self._chosen(choice) if ready else np.zeros(0, np.int64)
        pages = max(1, ceil(len(chosen) / PAGE))
        page = min(choice.page, pages)
        numbers = chosen[(page - 1) * PAGE : page * PAGE].tolist()
        return self._page(
            request,
            "grid.html",
            choice=choice,
            ready=ready,
            found=len(chosen),
            page=page,
            pages=pages,
            sights=[self._sight(number, choice) for number in numbers],
            mistakes=self._mistakes(choice),
            **self._form(),
        )

    def _record(self, request: Request, number: int) -> Response:
        choice = self._choice(request)
        sight = self._sight(number, choice, decode=True)
        ready = self._indexed(choice)
        chosen = self._chosen(choice) if ready else np.zeros(0, np.int64)
        places = np.flatnonzero(chosen == number).tolist()
        place = places[0] if places else None
        before = after = None
        if place is not None:
            before = int(chosen[place - 1]) if place else None
            after = int(chosen[place + 1]) if place + 1 < len(chosen) else None
        return self._page(
            request,
            "record.html",
            choice=choice,
            sight=sight,
            record=sight.seen.record,
            place=place,
            found=len(chosen),
            before=before,
            after=after,
            page=1 if place is None else place // PAGE + 1,
            kinds=TRUTH_KINDS | KINDS,
            most_marks=MOST_MARKS,
            most_tags=MOST_TAGS,
            mistakes=self._mistakes(choice),
        )

    def _form(self) -> dict[str, Any]:
        """What the filters offer; numbers of pictures where they are known."""
        indexed = self.index.found
        counts = indexed.classes if indexed else {}
        labels = {item.label for item in self.labelmap or () if item.label != 0} | set(counts)
        problems: dict[str, int | None] = dict.fromkeys(PROBLEMS)
        if indexed is not None:
            problems = {word: int(flags.sum()) for word, flags in indexed.problems.items()}
        return {
            "classes": [(n, class_name(n, self.labelmap), counts.get(n)) for n in sorted(labels)],
            "problems": [(word, what, problems[word]) for word, what in PROBLEMS.items()],
            "mistake_names": MISTAKES,
            "sorts": SORTS | (MISTAKE_SORTS if self.judged else {}),
            "sizes": SIZES,
            "progress": self._state(),
            "notes": () if self.judged is None else tuple(map(visible, self.judged.notes)),
            "origin": "" if self.judged is None else visible(self.judged.origin),
        }

    def _mistakes(self, choice: Choice) -> dict[str, Ints]:
        return {} if self.judged is None else self.judged.mistakes(choice.score)

    # ---- marks ----

    def _mark(self, request: Request, number: int) -> Response:
        return self._put(number, on=True)

    def _unmark(self, request: Request, number: int) -> Response:
        return self._put(number, on=False)

    def _put(self, number: int, on: bool) -> Response:
        marks = self._own_marks()
        if number >= len(self.keys):
            raise NotFound(f"There is no record {number}: there are {len(self.keys)}.")
        try:
            marks.put(number, on)
        except (InputError, OutputError) as error:
            text = visible(f"{error.where}: {error.sentence}")
            return Response(text, status=500, mimetype="text/plain")
        return _json({"marked": on, "all": len(marks)})

    def _marked(self, request: Request) -> Response:
        response = Response(self._own_marks().text, mimetype="text/plain")
        response.headers["Cache-Control"] = "no-store"
        return response

    def _own_marks(self) -> Marks:
        if self.marks is None:
            raise NotFound("Nothing can be marked: ssd-data view --marks FILE names where.")
        return self.marks

    # ---- the rest ----

    def _picture(self, request: Request, number: int) -> Response:
        return self._image(images.whole, self._look(number))

    def _thumbnail(self, request: Request, number: int) -> Response:
        return self._image(images.thumbnail, self._look(number))

    def _image(self, make: Callable[[Look], tuple[bytes, str]], seen: Look) -> Response:
        try:
            data, media = make(seen)
            response = Response(data, mimetype=media)
            response.headers["Cache-Control"] = "private, max-age=86400"
        except InputError as error:
            data, media = images.placeholder(error)
            response = Response(data, status=404, mimetype=media)
        return response

    def _state(self) -> dict[str, Any]:
        index = self.index
        error = visible(index.error.sentence) if index.error else ""
        return {
            "done": index.done, "records": len(self.keys), "ready": index.ready.is_set(),
            "error": error,
        }  # fmt: skip

    def _progress(self, request: Request) -> Response:
        return _json(self._state())

    def _static(self, request: Request, name: str) -> Response:
        if name not in STATIC:
            raise NotFound()
        data = (resources.files("ssd_data.pages.viewer") / "static" / name).read_bytes()
        response = Response(data, mimetype=STATIC[name])
        response.headers["Cache-Control"] = "no-cache"
        return response

"""Does what is asked on standard input and answers on standard output, until that is closed.

A message is a line of JSON, in which ``arrays`` says type and shape of the arrays whose bytes
follow. What libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib import import_module
from queue import Queue
from typing import Any, BinaryIO, NoReturn

import numpy as np


def main(name: str) -> NoReturn:
    """Serve what a module does."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asked: Queue[tuple[dict[str, Any], list[Any]]] = Queue()
    threading.Thread(target=listen, args=(sys.stdin.buffer, asked), daemon=True).start()
    while True:
        request, arrays = asked.get()
        try:
            does = import_module(name).DOES
        except BaseException as error:  # not there, or built for something else
            kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
            missing = {"missing": f"{kind}{error}", "numpy": np.__version__}
            answer(answers, missing, [])
            continue
        try:
            words, found = does[request.pop("do")](*arrays, **request)
        except ImportError as error:
            words, found = {"missing": str(error)}, []
        except BaseException as error:  # a toolkit's may be SystemExit
            words, found = {"error": str(error) or type(error).__name__}, []
        answer(answers, words, found)


def listen(stream: BinaryIO, asked: Queue[tuple[dict[str, Any], list[Any]]]) -> NoReturn:
    """Take what comes; whoever asked may be gone, and nobody else wants an answer."""
    while True:
        line = stream.readline()
        if not line:
            os._exit(0)
        request = json.loads(line)
        arrays = []
        for kind, shape in request.pop("arrays"):
            values = np.empty(shape, kind)
            values.reshape(-1).view(np.uint8)[:] = np.frombuffer(
                stream.read(values.nbytes), np.uint8
            )
            arrays.append(values)
        asked.put((request, arrays))


def answer(stream: BinaryIO, words: dict[str, Any], arrays: list[Any]) -> None:
    """Write an answer."""
    arrays = [np.ascontiguousarray(values) for values in arrays]
    words["arrays"] = [[values.dtype.str, list(values.shape)] for values in arrays]
    stream.write(json.dumps(words).encode() + b"\n")
    for values in arrays:
        stream.write(values.tobytes())
    stream.flush()


if __name__ == "__main__":
    main(sys.argv[1])

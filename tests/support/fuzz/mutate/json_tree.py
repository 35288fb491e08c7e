"""Changes to JSON and JSON lines: values of other types, keys gone, twice or renamed."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from support.fuzz.mutate import odd, text

STAND_IN = "?odd number?"  # a text where a number of any spelling is put in its place
SPELLINGS = ("1e400", "-1e999", "NaN", "Infinity", "-0", "9" * 5000, "1" + "0" * 400, "1E5", "01")


def mutate(data: bytes, random: Random) -> bytes:
    if random.random() < 0.25:
        return text.mutate(data, random)
    try:
        return change(json.loads(data), random)
    except (ValueError, RecursionError):
        pass
    rows = data.split(b"\n")
    at = random.randrange(len(rows))
    try:
        rows[at] = change(json.loads(rows[at]), random)
    except (ValueError, RecursionError):
        return text.mutate(data, random)
    return b"\n".join(rows)


def change(tree: Any, random: Random) -> bytes:
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        tree = _changed(tree, random)
    made = json.dumps(tree, ensure_ascii=random.random() < 0.5)
    spelled = random.choice(SPELLINGS) if random.random() < 0.9 else odd.number(random)
    made = made.replace(f'"{STAND_IN}"', spelled or "0")
    if random.random() < 0.05:  # a key twice
        made = made.replace(
            "{", f'{{"{random.choice(_keys(tree))}": {json.dumps(odd.value(random))}, ', 1
        )
    return made.encode("utf-8", "surrogatepass")


def _keys(tree: Any) -> list[str]:
    found = ["a"]
    for holder, key in places(tree):
        if isinstance(holder, dict):
            found.append(json.dumps(key)[1:-1])
    return found


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Where each value stands: what holds it, and its key or number there."""
    found: list[tuple[Any, Any]] = []
    todo = [tree]
    while todo and len(found) < 5000:
        one = todo.pop()
        inner = (
            one.items()
            if isinstance(one, dict)
            else enumerate(one)
            if isinstance(one, list)
            else ()
        )
        for key, held in inner:
            found.append((one, key))
            todo.append(held)
    return found


def _changed(tree: Any, random: Random) -> Any:
    found = places(tree)
    if not found or random.random() < 0.02:
        return random.choice([odd.value(random), [tree], {"a": tree}])
    holder, key = random.choice(found)
    other, where = random.choice(found)
    kind = random.randrange(10)
    if kind < 3:
        holder[key] = odd.value(random)
    elif kind == 3:
        holder[key] = STAND_IN
    elif kind == 4:
        del holder[key]
    elif kind == 5:
        holder[key] = copy.deepcopy(other[where])
    elif kind == 6 and isinstance(holder, dict):
        holder[random.choice([odd.word(random), str(where), key.upper()])] = holder.pop(key)
    elif kind == 7:
        holder[key] = random.choice([[holder[key]], {"a": holder[key]}, [holder[key]] * 3])
    elif kind == 8 and isinstance(holder[key], int | float):
        holder[key] = random.choice(
            [-holder[key], holder[key] + 1, float(holder[key]), str(holder[key])]
        )
    elif kind == 9 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        held = holder[key]
        holder[key] = f"{held}{odd.word(random)}" if isinstance(held, str) else odd.value(random)
    return tree

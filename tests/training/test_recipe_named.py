"""Recipes by name, files that begin with another, and what a run says and keeps of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import commands
from support.recipe_runs import run_of

from ssd_data.core.errors import InputError
from ssd_data.core.files.plain_toml import read_toml, to_toml
from ssd_data.training.recipe.named import names, purpose_of
from ssd_data.training.recipe.read import (
    as_toml,
    digest_of,
    from_table,
    parse_recipe,
    read_recipe,
    to_table,
)

Run = Callable[..., commands.Result]


def written(folder: Path, text: str, name: str = "my.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_shipped_ones() -> None:
    assert {"small-data", "faces", "from-scratch", "original"} == set(names())
    for name in names():
        assert purpose_of(name).endswith(".")
        assert bool(to_table(read_recipe(name))) == (name != "original")


def test_what_is_kept_is_read_as_the_same(tmp_path: Path) -> None:
    for name in names():
        recipe = read_recipe(name)
        again = parse_recipe(written(tmp_path, as_toml(recipe)))
        assert to_table(again) == to_table(recipe)
        assert digest_of(again) == digest_of(recipe)
    text = to_toml({"a": {"b*": 'ü " \\ \n', "n": None, "l": [1, 2.5, True]}, "e": {}})
    assert read_toml(written(tmp_path, text), "text", 1 << 10)[1] == {
        "a": {"b*": 'ü " \\ \n', "l": [1, 2.5, True]},
        "e": {},
    }


def test_a_base_and_what_differs(tmp_path: Path) -> None:
    whole = to_table(read_recipe("small-data"))
    text = 'base = "small-data"\nwithout = ["average", "augmentation.paste"]\n'
    found = to_table(parse_recipe(written(tmp_path, text + "[schedule]\nlast = 0.5\n")))
    assert found["schedule"] == {**whole["schedule"], "last": 0.5}
    assert "average" not in found
    assert "paste" not in found["augmentation"]
    assert found["augmentation"]["hsv"] == whole["augmentation"]["hsv"]
    assert found["matching"] == whole["matching"]


def test_another_kind_takes_nothing_over(tmp_path: Path) -> None:
    text = 'base = "small-data"\n[schedule]\nkind = "one_cycle"\n'
    found = to_table(parse_recipe(written(tmp_path, text)))
    assert (
        found["schedule"]
        == to_table(from_table({"schedule": {"kind": "one_cycle"}}, "a"))["schedule"]
    )


def test_a_base_is_a_file_from_the_recipes_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    written(tmp_path / "inner", "[gradients]\nclip = 3\n", "first.toml")
    path = written(tmp_path / "inner", 'base = "first.toml"\n', "second.toml")
    monkeypatch.chdir(tmp_path)
    assert to_table(parse_recipe(path)) == {"gradients": {"clip": 3.0}}
    assert to_table(parse_recipe(written(tmp_path, 'base = "original"'))) == {}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('# a\nbase = "smal-data"', "my.toml:2: base", 'Did you mean "small-data"'),
        ("base = 3", "my.toml:1: base", "should be a str"),
        ('without = ["average"]', "my.toml: base", "the key is missing"),
        ('base = "faces"\nwithout = ["matching"]', "my.toml:2: without", "faces has no matching"),
        ('base = "faces"\nwithout = ["boxes.kind.a"]', "my.toml:2: without", "has no boxes.kind.a"),
        ('base = "faces"\nwithout = "boxes"', "my.toml:2: without", "should be a list"),
        ('base = "my.toml"', "my.toml:1: base", "begins with this recipe itself"),
        ('base = "other.toml"', "other.toml:1: base", "begins with this recipe itself"),
        ('base = "wrong.toml"', "wrong.toml:3: schedule.last", "a float <= 1"),
        ('base = "wrong.toml"\n[boxes]\nkind="a"', "wrong.toml:3: schedule.last", "a float <= 1"),
        ('base = "faces"\n[schedule]\nlasst = 1', "my.toml:3: schedule.lasst", "unknown key"),
        ('base = "nowhere.toml"', "nowhere.toml", "missing"),
    ],
)  # fmt: skip
def test_bases_that_are_refused(text: str, where: str, what: str, tmp_path: Path) -> None:
    written(tmp_path, 'base = "my.toml"', "other.toml")
    written(tmp_path, '[schedule]\nkind = "cosine"\nlast = 4', "wrong.toml")
    with pytest.raises(InputError) as error:
        parse_recipe(written(tmp_path, text))
    assert str(error.value.where).startswith(f"{tmp_path}/{where}")
    assert what in f"{error.value}"


def test_the_command(run: Run, tmp_path: Path) -> None:
    listed = json.loads(run("recipe", "--json").out)["recipes"]
    assert [*listed] == names()
    assert run("recipe", "faces").out == as_toml(read_recipe("faces"))
    said = json.loads(run("recipe", "faces", "--json").out)
    assert (said["name"], said["elements"]["boxes"]["kind"]) == ("faces", "giou")
    wrong = run("recipe", "face")
    assert wrong.status == 2
    assert 'Did you mean "faces"?' in wrong.err
    assert "from-scratch" in run("train", "--help").out


def test_a_run_names_and_keeps_its_recipe(solver_file: Path, run: Run) -> None:
    path = written(Path(), 'base = "small-data"\n[schedule]\nwarm_up = 2\n')
    words = ("train", "short.prototxt", "--device", "cpu", "--max-iter", "4", "--json")
    done = run(*words, "--recipe", str(path))
    recipe = parse_recipe(path)
    said = json.loads(done.out)["recipe"]
    assert said["name"] == "my.toml"
    assert said["digest"] == digest_of(recipe)
    assert said["elements"] == json.loads(json.dumps(to_table(recipe)))
    assert "schedule cosine, matching atss, average, augmentation hsv paste" in done.err
    kept = Path("short.recipe.toml")
    assert to_table(parse_recipe(kept)) == to_table(recipe)
    again = json.loads(run(*words, "--resume", "auto", "--max-iter", "6").out)
    assert again["recipe"] == said
    assert kept.is_file()
    assert json.loads(run(*words).out)["recipe"] is None
    assert not kept.exists()


def test_what_is_kept_trains_the_same(solver_file: Path) -> None:
    whole = run_of(written(Path(), 'base = "faces"\n[augmentation.square]\nprob = 1\n'), 4)
    kept = Path("short.recipe.toml").rename("kept.toml")
    assert run_of(kept, 4) == whole

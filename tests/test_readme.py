"""The Python examples of the README and of the pages in docs/ run as they stand."""

import re
from pathlib import Path

import pytest

import keras_vae as kv

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
README = (ROOT / "README.md").read_text()
EXAMPLES = BLOCK.findall(README)
PAGES = [path for path in sorted((ROOT / "docs").glob("*.md")) if BLOCK.search(path.read_text())]


@pytest.fixture(autouse=True)
def without_xla(monkeypatch):
    """Compile faster than a user does, who would rather wait at the start."""
    monkeypatch.setattr(kv.VAE, "_gains_from_xla", lambda vae: False)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.split("\n")[-2][:40] for example in EXAMPLES])
def test_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})


def test_there_is_an_example_for_each_kind_of_user_and_a_page_of_them():
    with_example = [section.partition("\n")[0] for section in README.split("\n## ") if BLOCK.search(section)]
    assert with_example == [
        "Fit in your own script",
        "Evaluate",
        "Export for serving",
        "Reuse the layers in another Keras model",
    ]
    assert len(EXAMPLES) == 6
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(BLOCK.findall(page.read_text())), page.name, "exec"), {"__name__": "page"})

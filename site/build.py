"""Build the documentation: `make docs`, then open build/docs/index.html.  Nothing is asked of another host.

With `--still` the tutorials are shown and not run, for a look at the pages in seconds; with `--gallery RUN ...` these
runs stand in the gallery beside the models that come with hvae.

The pages of docs/ are taken as they are; those of families, commands and names of Python are written from the code.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from importlib import import_module
from inspect import cleandoc, getdoc
from pathlib import Path

import yaml
from gallery import gallery
from picture import walk_picture

ROOT, HERE = Path(__file__).parents[1], Path(__file__).parent
SOURCE, PAGES = ROOT / "build" / "docs-source", ROOT / "build" / "docs"


def main() -> int:
    from sphinx.cmd.build import main as sphinx

    from hvae import pretrained

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--still", action="store_true", help="do not run the tutorials")
    parser.add_argument("--gallery", nargs="+", default=[], metavar="RUN", help="more runs for the gallery")
    words = parser.parse_args()
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE / "docs")
    shutil.copytree(HERE / "start", SOURCE, dirs_exist_ok=True)
    shutil.copytree(HERE / "tutorials", SOURCE / "tutorials")
    for page in (SOURCE / "docs").glob("*.md"):
        page.write_text(inward(page.read_text()))
    start = (SOURCE / "index.md").read_text()
    (SOURCE / "index.md").write_text(start.replace("TASKS", "\n".join(tasks(start))))
    for name, text in {**families(), **commands(), "python": python()}.items():
        place = SOURCE / f"{name}.md"
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_text(text)
    (SOURCE / "gallery.md").write_text(gallery([*pretrained.names(), *words.gallery], SOURCE / "gallery"))
    still = ["-D", "nb_execution_mode=off"] if words.still else []
    return sphinx([*still, "-W", "--keep-going", "-q", "-c", str(HERE), "-b", "html", str(SOURCE), str(PAGES)])


def tasks(start: str) -> list[str]:
    """The pages of docs/ that the start page does not list as reference."""
    pages = sorted(f"docs/{page.stem}" for page in (ROOT / "docs").glob("*.md"))
    return [page for page in pages if not re.search(rf"^{page}$", start, re.MULTILINE)]


def inward(text: str) -> str:
    """A page of docs/, whose links to files outside docs/ become the names of these files."""
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)]+)\)", lambda link: f"`{link[2]}`", text)


def families() -> dict[str, str]:
    """A page for each family, and the one that lists them."""
    from hvae.config.families import FAMILIES

    notes = yaml.safe_load((HERE / "families.yaml").read_text())
    rows = [f"| [{name}]({name}.md) | {_about(kind.config)} |" for name, kind in FAMILIES.items()]
    listed = "\n".join(FAMILIES)
    index = "# Families\n\n| family | what it is |\n|---|---|\n" + "\n".join(rows)
    index += f"\n\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
    return {"families/index": index, **{f"families/{name}": family(name, notes.get(name, {})) for name in FAMILIES}}


def _about(config: type) -> str:
    return (getdoc(config) or "").split("\n")[0]


def family(name: str, notes: dict[str, str]) -> str:
    """What a family computes, when to use it, what it costs, what was measured, and its keys."""
    from hvae.config.families import FAMILIES

    kind = FAMILIES[name]
    module = import_module(str(kind.builder).partition(":")[0])
    parts = [f"# {name}", _about(kind.config), f"```text\n{cleandoc(module.__doc__ or '')}\n```"]
    parts += [f"**{head.capitalize()}.** {text}" for head, text in notes.items()]
    if svg := walk_picture(name):
        parts += ["## The walk", "The order in which the variables are visited, read from the model's own walk.", svg]
    parts += ["## Presets", presets(name), "## Keys", keys(kind.config)]
    return "\n\n".join(parts) + "\n"


def presets(name: str) -> str:
    from hvae.config.presets import PRESETS

    chosen = [(key, one) for key, one in PRESETS.items() if one.make().model.family == name]
    if not chosen:
        return f"None yet: `hvae train PRESET --model.family {name}` with a preset of the same kind of data."
    rows = [f"| `hvae train {key}` | {one.about} | {one.time} |" for key, one in chosen]
    return "| command | what it is | time |\n|---|---|---|\n" + "\n".join(rows)


def keys(config: type) -> str:
    from hvae.cli.keys import _shown, docs

    values, sentences = config(), docs(config)
    rows = [
        f"| `--model.{key}` | {text.replace('|', chr(92) + '|')} {_code(_shown(getattr(values, key)))} |"
        for key, text in sentences.items()
    ]
    return "| key | what it is, and its value |\n|---|---|\n" + "\n".join(rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def commands() -> dict[str, str]:
    """A page for each command, and the one that lists them."""
    from hvae.cli.main import COMMANDS

    os.environ["COLUMNS"] = "100"
    rows = [f"| [{name}]({name}.md) | {about} |" for name, about in COMMANDS.items()]
    index = "# Commands\n\n| command | what it does |\n|---|---|\n" + "\n".join(rows)
    index += "\n\n```{toctree}\n:hidden:\n\n" + "\n".join(COMMANDS) + "\n```\n"
    pages = {f"commands/{name}": f"# hvae {name}\n\n```text\n{help_of(name)}\n```\n" for name in COMMANDS}
    return {"commands/index": index, **pages}


def help_of(command: str) -> str:
    from hvae.cli.main import module_of

    out = io.StringIO()
    with redirect_stdout(out), suppress(SystemExit):
        import_module(module_of(command)).main(["--help"])
    return out.getvalue().rstrip()


def python() -> str:
    """Every public name, by the room that it comes from."""
    import hvae

    return "# Python\n\n" + "\n".join(_names(hvae._PLACES))


def _names(places: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for module, names in places.items():
        yield f"## hvae.{module}\n"
        for name in names:
            thing = getattr(import_module(f"hvae.{module}"), name)
            if not callable(thing):
                yield f"`hvae.{name}`: {type(thing).__name__} of {len(thing)} entries.\n"
                continue
            kind = "autoclass" if isinstance(thing, type) else "autofunction"
            yield f"```{{eval-rst}}\n.. {kind}:: hvae.{name}\n```\n"


if __name__ == "__main__":
    sys.exit(main())

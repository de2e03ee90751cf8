"""hvae completion: a script that lets a shell complete commands, presets and options."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout, suppress
from importlib import import_module

from hvae.cli.parser import Parser
from hvae.cli.voice import Voice
from hvae.config.presets import PRESETS
from hvae.errors import unknown

ABOUT = (
    "Print a script that lets your shell complete the commands of hvae, the presets and the options. Written for this "
    "version: print it again after an update."
)
EXAMPLES = (
    "hvae completion bash > ~/.local/share/bash-completion/completions/hvae",
    'hvae completion zsh > "${fpath[1]}/_hvae"',
    "hvae completion fish > ~/.config/fish/completions/hvae.fish",
)
_BASH = """# Completion of hvae {version} for bash.
_hvae() {{
    local words="{commands}"
    if [ "$COMP_CWORD" -gt 1 ]; then
        case "${{COMP_WORDS[1]}}" in
{cases}
            *) words="" ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _hvae hvae
"""
_ZSH = """#compdef hvae
# Completion of hvae {version} for zsh.
_hvae() {{
    local -a choices
    if (( CURRENT == 2 )); then
        choices=({commands})
    else
        case "$words[2]" in
{cases}
        esac
        _files
    fi
    compadd -a choices
}}
compdef _hvae hvae
"""


def main(argv: list[str]) -> None:
    parser = Parser("completion", ABOUT, EXAMPLES, "bash|zsh|fish")
    parser.add_argument("shell", metavar="SHELL", help="bash, zsh or fish")
    args = parser.parse_args(argv)
    if args.shell not in SCRIPTS:
        raise unknown("shell", args.shell, SCRIPTS)
    script, voice = SCRIPTS[args.shell](), Voice(args.json)
    voice.answer({"shell": args.shell, "script": script})
    if not args.json:
        print(script, end="")


def choices() -> dict[str, list[str]]:
    """What may follow each command, from its own help: its options, and the names that it knows."""
    from hvae.cli.main import COMMANDS

    words = {"train": list(PRESETS), "inspect": list(PRESETS), "completion": list(SCRIPTS)}
    return {name: options(name) + words.get(name, []) for name in COMMANDS}


def options(command: str) -> list[str]:
    """The options of a command."""
    from hvae.cli.main import module_of

    text = io.StringIO()
    with redirect_stdout(text), suppress(SystemExit):
        import_module(module_of(command)).main(["--help"])
    return [*dict.fromkeys(re.findall(r"^  (?:-\w[^,]*, )?(--[\w.-]+)", text.getvalue(), re.MULTILINE))]


def bash() -> str:
    """The script for bash."""
    cases = "\n".join(f'            {name}) words="{" ".join(words)}" ;;' for name, words in choices().items())
    return _filled(_BASH, cases)


def zsh() -> str:
    """The script for zsh."""
    cases = "\n".join(f"            {name}) choices=({' '.join(words)}) ;;" for name, words in choices().items())
    return _filled(_ZSH, cases)


def fish() -> str:
    """The script for fish."""
    from hvae import __version__
    from hvae.cli.main import COMMANDS

    lines = [f"# Completion of hvae {__version__} for fish."]
    first = "complete -c hvae -n __fish_use_subcommand -f -a"
    lines += [f'{first} {name} -d "{about}"' for name, about in COMMANDS.items()]
    for name, words in choices().items():
        condition = f"complete -c hvae -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{condition} -l {word[2:]}" if word.startswith("--") else f"{condition} -a {word}" for word in words]
    return "\n".join(lines) + "\n"


def _filled(script: str, cases: str) -> str:
    from hvae import __version__
    from hvae.cli.main import COMMANDS

    return script.format(version=__version__, commands=" ".join(COMMANDS), cases=cases)


SCRIPTS = {"bash": bash, "zsh": zsh, "fish": fish}
"""The script of each shell by name."""

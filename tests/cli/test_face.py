"""The face of the package: everything by its short name, and nothing before it is asked for."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from processes import finished

import hvae

HEAVY = ("torch", "numpy", "lightning", "matplotlib", "sklearn")


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after `code`."""
    end = f"import sys; print('LOADED', *[m for m in {HEAVY} if m in sys.modules])"
    done = finished("-c", f"{code}\n{end}")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("LOADED")[1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import hvae, hvae.config; dir(hvae); hvae.RunConfig; hvae.preset('digits')",
        "from hvae.cli.main import main; assert main(['--help']) == 0",
        "from hvae.cli.main import main; assert main(['train', 'cifar10', '--help']) == 0",
        "from hvae.cli.main import main; assert main(['train', 'digits', '--train.steps', 'x']) == 2",
    ],
)
def test_help_and_configurations_need_no_torch(code: str) -> None:
    assert loaded_by(code) == set()


def test_a_model_needs_no_training_engine() -> None:
    assert loaded_by("import hvae; hvae.build(hvae.preset('digits').model, shape=(1, 8, 8), bits=4)") <= {
        "torch",
        "numpy",
    }


def test_every_name_is_there() -> None:
    assert set(hvae.__all__) - {"__version__"} == set(hvae._PLACE)
    for name in hvae.__all__:
        assert getattr(hvae, name) is not None
        assert name in dir(hvae)


def test_names_are_what_their_modules_hold() -> None:
    from hvae.walk import Trace, run

    assert hvae.run is run and hvae.Trace is Trace
    assert hvae.__version__ == version("hvae")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'hvae' has no attribute 'modle'"):
        hvae.modle  # noqa: B018

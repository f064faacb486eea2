"""Published configurations by name, as files and as dictionaries: the same arguments."""

import json

import pytest

from md4keras.conversion.arguments import GENMD4_ARGUMENTS, MD4_ARGUMENTS
from md4keras.conversion.entries import complete
from md4keras.conversion.settings import PUBLISHED, TEXT8_SYMBOLS, constructor_of
from md4keras.tokenizers import CharacterTokenizer
from tests.reference import reference_file

pytestmark = pytest.mark.one_backend

CONFIGS = json.loads(reference_file("published_settings.json").read_text(encoding="utf-8"))


def arguments(constructor, name):
    known = GENMD4_ARGUMENTS if name.startswith("genmd4") else MD4_ARGUMENTS
    return complete(constructor, known, "constructor argument")


def test_every_published_run_has_a_name():
    assert PUBLISHED.keys() == CONFIGS.keys()


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_name_stands_for_the_published_configuration(name):
    expected = arguments(constructor_of(CONFIGS[name]), name)
    found = arguments(constructor_of(name), name)
    listed = {k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in found.items()}
    # A default that is not in the entry has no effect there.
    assert {k: listed[k] for k in ("ch_mult",)} == {"ch_mult": tuple(expected["ch_mult"])}
    assert {**found, "ch_mult": 0} == {**expected, "ch_mult": 0}


def test_a_file_of_either_kind(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**CONFIGS["md4_text8"], "seed": 42, "num_microbatches": None}))
    assert constructor_of(path) == constructor_of(CONFIGS["md4_text8"])
    path.write_text(json.dumps({"data_shape": [16], "n_layers": 1}))
    assert constructor_of(str(path)) == {"data_shape": [16], "n_layers": 1}


@pytest.mark.parametrize(
    "config, message",
    [
        ("md4_text9", "Unknown `config`. Expected one of 'md4_text8'.*or a JSON file"),
        (3, "`config` cannot be used.*type int"),
        ({"model_type": "d3pm"}, "another type, 'd3pm'. Expected model_type of"),
    ],
)
def test_what_is_no_configuration(config, message):
    with pytest.raises(ValueError, match=message):
        constructor_of(config)


def test_text8_in_the_published_order():
    """A published id is the letter's place in the alphabet, and 26 for a space."""
    tokens = CharacterTokenizer(TEXT8_SYMBOLS).encode("az ")
    assert tokens.tolist() == [0, 25, 26]

from __future__ import annotations

import pytest

from hpo_nni.errors import RegistryError
from hpo_nni.platforms import PLATFORMS
from hpo_nni.platforms.local import LocalPlatform


@pytest.mark.parametrize("name", ["local", "Local", "LOCAL"])
def test_local_platform_is_known_in_any_case(name):
    assert PLATFORMS.load(name) is LocalPlatform


@pytest.mark.parametrize(
    "name",
    [
        "DLC",
        "PAI",
        "PAIFLOW",
        "DataScience",
        "TrainingService",
        "kubernetes",
        "ray",
        "slurm",
    ],
)
def test_platform_of_the_documents_that_is_not_built_says_so(name):
    with pytest.raises(RegistryError, match=f"{name!r} is not there yet") as caught:
        PLATFORMS.load(name)
    assert "there are: local" in caught.value.hint


def test_misspelt_platform_gets_an_offer():
    with pytest.raises(RegistryError) as caught:
        PLATFORMS.load("locl")
    assert caught.value.hint == "did you mean 'local'?"

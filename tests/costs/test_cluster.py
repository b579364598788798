from __future__ import annotations

import pytest

from hpo_nni.costs import resources_of_cluster
from hpo_nni.errors import SettingsError

SEED = '{"ps":{"count":1,"cpu":1000 },"worker":{"count":3,"cpu":1000,"gpu":100,"memory":40000}}'


@pytest.mark.parametrize(
    ("cluster", "resources"),
    [
        (SEED, {"cpu": 40.0, "gpu": 3.0, "memory": 120.0}),
        ('{"worker": {"cpu": "200"}}', {"cpu": 2.0}),
        ('{"worker": {"count": 0, "cpu": 200}}', {}),
        ('{"worker": {"gpu": 100, "gpu_type": "A10"}}', {"gpu:a10": 1.0}),
        ("{}", {}),
    ],
)
def test_roles_add_up(cluster, resources):
    assert resources_of_cluster(cluster) == pytest.approx(resources)


def test_cards_without_a_type_have_the_one_that_is_given():
    assert resources_of_cluster(SEED, "v100")["gpu:v100"] == 3.0


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ("{ps: 1}", "this is not JSON"),
        ('["ps"]', "expected roles"),
        ('{"ps": 1}', "expected roles"),
        ('{"ps": {"cpu": -5}}', "cpu of ps is -5"),
        ('{"ps": {"cpu": NaN}}', "cpu of ps is nan"),
        ('{"ps": {"count": true}}', "count of ps is True"),
        ('{"ps": {"memory": "much"}}', "memory of ps is 'much'"),
        ('{"ps": {"memory": null}}', "memory of ps is None"),
    ],
)
def test_what_is_no_cluster_is_refused(cluster, words):
    with pytest.raises(SettingsError, match=words):
        resources_of_cluster(cluster)

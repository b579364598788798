"""A pipeline config for a user who has none here: of EasyRec's form, with what their files name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOWER = re.compile(r"(?:auc|loss|accuracy|gauc|cross_entropy_loss)_(\w+)")
_CONDITION = re.compile(r"\[input_names\[0\](?:[<>]=?|=)(\w+)\]")
_PLACE = re.compile(r"feature_configs?(?:\.features)?\[(\d+)(?::(\d+))?\]")
_TOWER_PLACE = re.compile(r"task_towers\[(\d+)\]")
_TOWERS = ("click", "like")
_FEATURES = ("user_id", "item_id", "age", "city", "price", "tags")
_MOST = 500  # features; nobody writes that many out, and a wrong index should stay one


def stand_in_config(metrics: Iterable[str], keys: Iterable[str]) -> str:
    """A multi-task ranking model with the towers that metrics name and the features that keys do.

    Args:
        metrics: tags of event files: `auc_is_like` is that of the tower `is_like`.
        keys: of the search space.

    >>> key = "feature_configs[input_names[0]=vip].embedding_dim"
    >>> config = stand_in_config(["auc_is_like"], [key])
    >>> 'tower_name: "is_like"' in config, 'input_names: "vip"' in config
    (True, True)
    """
    names = list(keys)
    towers = _padded(_found(_TOWER, metrics) or [*_TOWERS], (), _highest(_TOWER_PLACE, names) + 1)
    features = _padded(_found(_CONDITION, names), _FEATURES, _highest(_PLACE, names) + 1)
    return "\n".join(
        [
            _HEAD,
            "data_config {",
            "  batch_size: 1024",
            *(f'  label_fields: "{tower}"' for tower in towers),
            "}",
            *(_FEATURE.format(name=name) for name in features),
            _MODEL.format(
                names="\n".join(f'    feature_names: "{name}"' for name in features),
                towers="\n".join(_TOWER_TEXT.format(name=name) for name in towers),
            ),
        ]
    )


def _found(pattern: re.Pattern[str], texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for text in texts for name in pattern.findall(text)))


def _highest(pattern: re.Pattern[str], keys: Iterable[str]) -> int:
    """The highest index that a key names; -1 without one."""
    places = [
        int(part) for key in keys for found in pattern.finditer(key) for part in found.groups("0")
    ]
    return min(max(places, default=-1), _MOST)


def _padded(named: list[str], usual: Iterable[str], count: int) -> list[str]:
    found = named + [name for name in usual if name not in named]
    return found + [f"extra_{number}" for number in range(len(found), count)]


_HEAD = """\
# Written by `hpo-nni rehearse`, for there is no copy of the real config beside the experiment.
train_config {
  optimizer_config {
    adam_optimizer {
      learning_rate {
        exponential_decay_learning_rate {
          initial_learning_rate: 0.001
          decay_steps: 1000
          decay_factor: 0.1
          min_learning_rate: 1e-07
        }
      }
    }
    use_moving_average: false
  }
  num_steps: 8000
  save_checkpoints_steps: 2000
}
eval_config { metrics_set { auc {} } }"""
_FEATURE = """\
feature_configs {{
  input_names: "{name}"
  feature_type: IdFeature
  embedding_dim: 16
  hash_bucket_size: 100000
}}"""
_MODEL = """\
model_config {{
  model_class: "DBMTL"
  feature_groups {{
    group_name: "all"
{names}
    wide_deep: DEEP
  }}
  dbmtl {{
    bottom_dnn {{ hidden_units: [512, 256, 128] }}
{towers}
    l2_regularization: 1e-05
  }}
  embedding_regularization: 5e-06
}}
"""
_TOWER_TEXT = """\
    task_towers {{
      tower_name: "{name}"
      label_name: "{name}"
      loss_type: CLASSIFICATION
      dnn {{ hidden_units: [256, 128, 64] }}
      weight: 1.0
    }}"""

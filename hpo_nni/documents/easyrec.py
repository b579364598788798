"""What we know of EasyRec's configs without its schema: the fields that people tune.

The table lists types and nothing else; a field that is not in it is not wrong, just unknown. It
is used by itself for files that look like EasyRec's, and can be named as the schema `easyrec`.
Source: names, types and defaults as EasyRec's published config schema has them; spec EA-15, EA-16.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from hpo_nni.documents.base import Kind
from hpo_nni.documents.keypath import Field, KeyPath
from hpo_nni.documents.schema import FieldType, MessageType, Schema
from hpo_nni.documents.values import Want, fit_scalar

if TYPE_CHECKING:
    from hpo_nni.documents.base import Node

_FEATURE_TYPES = (
    "IdFeature RawFeature TagFeature ComboFeature LookupFeature SequenceFeature ExprFeature "
    "PassThroughFeature"
)
_ENUMS = {
    "FeatureType": {name: number for number, name in enumerate(_FEATURE_TYPES.split())},
    "WideOrDeep": {"DEEP": 0, "WIDE": 1, "WIDE_AND_DEEP": 2},
}
_ADAM = "learning_rate:LearningRate beta1:float=0.9 beta2:float=0.999"
_ADAM_W = f"{_ADAM} weight_decay:float=1e-6"
_TOWER = "tower_name:string label_name:string dnn:DNN weight:float=1 num_class:uint32"

# `name:type=default`; `*` behind the type for a list, `|group` for members that exclude each other
_MESSAGES = {
    "Pipeline": "model_dir:string train_config:Train eval_config:Eval data_config:Data "
    "feature_configs:Feature* feature_config:Features model_config:Model",
    "Train": "optimizer_config:Optimizer* gradient_clipping_by_norm:float=0 num_steps:uint32=0 "
    "fine_tune_checkpoint:string fine_tune_ckpt_var_map:string sync_replicas:bool "
    "save_checkpoints_steps:uint32=1000 save_checkpoints_secs:uint32 keep_checkpoint_max:uint32 "
    "save_summary_steps:uint32 log_step_count_steps:uint32 freeze_gradient:string*",
    "Eval": "num_examples:uint32 eval_interval_secs:uint32 max_evals:uint32 eval_online:bool",
    "Data": "batch_size:uint32=32 label_fields:string* shuffle:bool=true shuffle_buffer_size:int32 "
    "num_epochs:uint32 prefetch_size:uint32 separator:string num_parallel_calls:uint32 "
    "sample_weight:string eval_batch_size:uint32 drop_remainder:bool",
    "Optimizer": "rms_prop_optimizer:RmsProp|optimizer momentum_optimizer:Momentum|optimizer "
    "adam_optimizer:Adam|optimizer momentumw_optimizer:MomentumW|optimizer "
    "adamw_optimizer:AdamW|optimizer adam_async_optimizer:Adam|optimizer "
    "adagrad_optimizer:Adagrad|optimizer ftrl_optimizer:Ftrl|optimizer "
    "adam_asyncw_optimizer:AdamW|optimizer lazy_adam_optimizer:Adam|optimizer "
    "use_moving_average:bool=false moving_average_decay:float=0.9999 "
    "embedding_learning_rate_multiplier:float",
    "RmsProp": "learning_rate:LearningRate momentum_optimizer_value:float=0.9 decay:float "
    "epsilon:float",
    "Momentum": "learning_rate:LearningRate momentum_optimizer_value:float=0.9",
    "MomentumW": "learning_rate:LearningRate momentum_optimizer_value:float=0.9 "
    "weight_decay:float=1e-6",
    "Adam": _ADAM,
    "AdamW": _ADAM_W,
    "Adagrad": "learning_rate:LearningRate initial_accumulator_value:float=0.1",
    "Ftrl": "learning_rate:LearningRate learning_rate_power:float initial_accumulator_value:float "
    "l1_reg:float l2_reg:float l2_shrinkage_reg:float",
    "LearningRate": "constant_learning_rate:ConstantRate|rate "
    "exponential_decay_learning_rate:ExponentialRate|rate "
    "manual_step_learning_rate:ManualRate|rate cosine_decay_learning_rate:CosineRate|rate "
    "poly_decay_learning_rate:PolyRate|rate transformer_learning_rate:TransformerRate|rate",
    "ConstantRate": "learning_rate:float=0.002",
    "ExponentialRate": "initial_learning_rate:float=0.002 decay_steps:uint32=4000000 "
    "decay_factor:float=0.95 staircase:bool=true burnin_learning_rate:float burnin_steps:uint32 "
    "min_learning_rate:float=0",
    "ManualRate": "initial_learning_rate:float=0.002 schedule:ManualStep* warmup:bool",
    "ManualStep": "step:uint32 learning_rate:float",
    "CosineRate": "learning_rate_base:float total_steps:uint32 warmup_learning_rate:float "
    "warmup_steps:uint32 hold_base_rate_steps:uint32",
    "PolyRate": "learning_rate_base:float total_steps:int64 power:float end_learning_rate:float",
    "TransformerRate": "learning_rate_base:float hidden_size:int32 warmup_steps:int32 "
    "step_scaling_rate:float",
    "Features": "features:Feature*",
    "Feature": "feature_name:string input_names:string* feature_type:FeatureType=IdFeature "
    "embedding_name:string embedding_dim:uint32=0 hash_bucket_size:uint64=0 num_buckets:uint64=0 "
    "boundaries:double* separator:string kv_separator:string seq_multi_sep:string "
    "max_seq_len:uint32 vocab_file:string vocab_list:string* shared_names:string* "
    "lookup_max_sel_elem_num:int32=10 max_partitions:int32=1 combiner:string=sum precision:int32 "
    "initializer:Initializer min_val:double=0 max_val:double=0 normalizer_fn:string "
    "raw_input_dim:uint32=1 sub_feature_type:FeatureType=IdFeature "
    "sequence_length:uint32 expression:string ev_params:EvParams combo_join_sep:string "
    "combo_input_seps:string*",
    "EvParams": "filter_freq:uint64 steps_to_live:uint64 use_cache:bool init_capacity:uint64 "
    "max_capacity:uint64",
    "Initializer": "truncated_normal_initializer:Normal|kind random_normal_initializer:Normal|kind "
    "glorot_normal_initializer:Nothing|kind constant_initializer:Constants|kind",
    "Normal": "mean:float stddev:float",
    "Nothing": "",
    "Constants": "consts:float*",
    "Model": "model_class:string model_name:string feature_groups:FeatureGroup* "
    "embedding_regularization:float=0 num_class:uint32 label_name:string ev_params:EvParams "
    "restore_filters:string* model_params:ModelParams deepfm:DeepFm|model "
    "multi_tower:MultiTower|model dbmtl:Dbmtl|model",
    "ModelParams": "l2_regularization:float task_towers:BayesTower* temperature:float",
    "FeatureGroup": "group_name:string feature_names:string* wide_deep:WideOrDeep=DEEP "
    "negative_sampler:bool=false sequence_features:SequenceGroup*",
    "SequenceGroup": "group_name:string seq_dnn:DNN allow_key_search:bool need_key_feature:bool",
    "DNN": "hidden_units:uint32* dropout_ratio:float* activation:string=tf.nn.relu "
    "use_bn:bool=true",
    "DeepFm": "dnn:DNN final_dnn:DNN wide_output_dim:uint32=1 wide_regularization:float "
    "dense_regularization:float l2_regularization:float",
    "MultiTower": "towers:Tower* final_dnn:DNN l2_regularization:float",
    "Tower": "input:string dnn:DNN",
    "Dbmtl": "bottom_dnn:DNN expert_dnn:DNN num_expert:uint32 task_towers:BayesTower* "
    "l2_regularization:float",
    "BayesTower": f"{_TOWER} relation_tower_names:string* relation_dnn:DNN "
    "in_task_space_weight:float out_task_space_weight:float use_sample_weight:bool",
}

_SPELLINGS = (("feature_configs",), ("feature_config", "features"))


@functools.cache
def schema() -> Schema:
    """The table as a schema.

    >>> schema().root.fields["train_config"].message.fields["num_steps"].type
    'uint32'
    """
    return Schema(_message("Pipeline"), "the table of EasyRec's fields")


def looks_like_easyrec(root: Node) -> bool:
    """Whether a protobuf-text config is EasyRec's: `model_config.model_class` is required there."""
    model = root.content.get("model_config")
    return model is not None and model.kind is Kind.MAP and "model_class" in model.content


def respell(path: KeyPath, root: Node) -> KeyPath | None:
    """`feature_configs` as `feature_config.features`, or back, if the file uses the other one.

    Returns None where the file has what the path says, or neither.
    """
    for own, other in (_SPELLINGS, _SPELLINGS[::-1]):
        names = tuple(Field(name) for name in own)
        if path.parts[: len(names)] == names and _has(root, other) and not _has(root, own):
            rest = path.parts[len(names) :]
            return KeyPath((*(Field(name) for name in other), *rest), adds=path.adds)
    return None


def _has(node: Node, names: tuple[str, ...]) -> bool:
    for name in names:
        if node.kind is not Kind.MAP or name not in node.content:
            return False
        node = node.content[name]
    return True


@functools.cache
def _message(name: str) -> MessageType:
    return MessageType(name, lambda: _fields(_MESSAGES[name]), is_complete=False)


def _fields(rows: str) -> dict[str, FieldType]:
    fields = {}
    for row in rows.split():
        name, _, rest = row.partition(":")
        rest, _, default = rest.partition("=")
        kind, _, oneof = rest.partition("|")
        is_list = kind.endswith("*")
        kind = kind.removesuffix("*")
        numbers = _ENUMS.get(kind)
        message = _message(kind) if kind in _MESSAGES else None
        plain = "enum" if numbers else "message" if message else kind
        field = FieldType(
            name, plain, repeated=is_list, oneof=oneof, message=message, numbers=numbers
        )
        if default:
            value = fit_scalar(default, Want.of_field(field))
            field = replace(field, default=value)
        fields[name] = field
    return fields

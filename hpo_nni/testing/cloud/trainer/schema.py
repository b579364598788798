"""The part of EasyRec's pipeline.proto that this trainer knows, built without a compiler.

Names and types are EasyRec's; numbers are not, for configs are text. Fields that are not listed are
passed over when a config is read. An edit of such a field is refused.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# name: type, `*` for repeated, `|group` for a member of a oneof
_MESSAGES = """
EasyRecConfig
  train_input_path: string, eval_input_path: string, model_dir: string
  train_config: TrainConfig, eval_config: EvalConfig, data_config: DatasetConfig
  feature_configs: FeatureConfig*, feature_config: FeatureConfigV2, model_config: EasyRecModel
  export_config: ExportConfig, fg_json_path: string
TrainConfig
  optimizer_config: Optimizer*, gradient_clipping_by_norm: float, num_steps: uint32
  fine_tune_checkpoint: string, fine_tune_ckpt_var_map: string, sync_replicas: bool
  save_checkpoints_steps: uint32, save_checkpoints_secs: uint32, keep_checkpoint_max: uint32
  log_step_count_steps: uint32, save_summary_steps: uint32, is_profiling: bool
  train_distribute: DistributionStrategy, num_gpus_per_worker: int32, dead_line: string
  force_restore_shape_compatible: bool, enable_early_stop: bool, write_graph: bool
Optimizer
  rms_prop_optimizer: RMSPropOptimizer|optimizer, momentum_optimizer: MomentumOptimizer|optimizer
  adam_optimizer: AdamOptimizer|optimizer, adamw_optimizer: AdamWOptimizer|optimizer
  adam_async_optimizer: AdamOptimizer|optimizer, lazy_adam_optimizer: AdamOptimizer|optimizer
  adam_asyncw_optimizer: AdamWOptimizer|optimizer
  adagrad_optimizer: AdagradOptimizer|optimizer, ftrl_optimizer: FtrlOptimizer|optimizer
  sgd_optimizer: SgdOptimizer|optimizer
  use_moving_average: bool, moving_average_decay: float, embedding_learning_rate_multiplier: float
RMSPropOptimizer
  learning_rate: LearningRate, momentum_optimizer_value: float, decay: float, epsilon: float
MomentumOptimizer
  learning_rate: LearningRate, momentum_optimizer_value: float
AdamOptimizer
  learning_rate: LearningRate, beta1: float, beta2: float
AdamWOptimizer
  learning_rate: LearningRate, weight_decay: float, beta1: float, beta2: float
AdagradOptimizer
  learning_rate: LearningRate, initial_accumulator_value: float
FtrlOptimizer
  learning_rate: LearningRate, learning_rate_power: float, initial_accumulator_value: float
  l1_reg: float, l2_reg: float, l2_shrinkage_reg: float
SgdOptimizer
  learning_rate: LearningRate
LearningRate
  constant_learning_rate: ConstantLearningRate|learning_rate
  exponential_decay_learning_rate: ExponentialDecayLearningRate|learning_rate
  manual_step_learning_rate: ManualStepLearningRate|learning_rate
  cosine_decay_learning_rate: CosineDecayLearningRate|learning_rate
  poly_decay_learning_rate: PolyDecayLearningRate|learning_rate
ConstantLearningRate
  learning_rate: float
ExponentialDecayLearningRate
  initial_learning_rate: float, decay_steps: uint32, decay_factor: float, staircase: bool
  burnin_learning_rate: float, burnin_steps: uint32, min_learning_rate: float
ManualStepLearningRate
  initial_learning_rate: float, schedule: LearningRateSchedule*, warmup: bool
LearningRateSchedule
  step: uint32, learning_rate: float
CosineDecayLearningRate
  learning_rate_base: float, total_steps: uint32, warmup_learning_rate: float
  warmup_steps: uint32, hold_base_rate_steps: uint32
PolyDecayLearningRate
  learning_rate_base: float, total_steps: int64, power: float, end_learning_rate: float
EvalConfig
  num_examples: uint32, eval_online: bool, metrics_set: EvalMetrics*
EvalMetrics
  auc: Metric|metric, gauc: GroupMetric|metric, session_auc: GroupMetric|metric
  max_f1: Metric|metric, accuracy: Metric|metric, recall_at_topk: Metric|metric
  mean_absolute_error: Metric|metric, mean_squared_error: Metric|metric
  root_mean_squared_error: Metric|metric
Metric
  num_thresholds: uint32, topk: uint32
GroupMetric
  uid_field: string, session_id_field: string, reduction: string
DatasetConfig
  batch_size: uint32, eval_batch_size: uint32, auto_expand_input_fields: bool
  label_fields: string*, label_sep: string*, label_dim: uint32*, input_fields: Field*
  num_epochs: uint32, prefetch_size: uint32, shuffle: bool, shuffle_buffer_size: int32
  separator: string, selected_cols: string, selected_col_types: string, sample_weight: string
  negative_sampler: NegativeSampler
NegativeSampler
  input_path: string, num_sample: uint32, num_eval_sample: uint32, item_id_field: string
Field
  input_name: string, default_val: string, ignore_val: string
FeatureConfigV2
  features: FeatureConfig*
FeatureConfig
  feature_name: string, input_names: string*, feature_type: FeatureType, embedding_name: string
  embedding_dim: uint32, hash_bucket_size: uint64, num_buckets: uint64, boundaries: double*
  separator: string, kv_separator: string, seq_multi_sep: string, vocab_file: string
  vocab_list: string*, shared_names: string*, combiner: string, max_partitions: uint32
  sequence_length: uint32, sequence_combiner: SequenceCombiner, min_val: double, max_val: double
  raw_input_dim: uint32, normalizer_fn: string, is_cache: bool, expression: string
  sub_feature_type: FeatureType, combo_join_sep: string, combo_input_seps: string*
  default_val: string, max_seq_len: uint32, initializer: Initializer
Initializer
  truncated_normal_initializer: NormalInitializer|initializer
  random_normal_initializer: NormalInitializer|initializer
NormalInitializer
  mean: float, stddev: float
SequenceCombiner
  combiner: string
ExportConfig
  batch_size: int32, exporter_type: string, best_exporter_metric: string, metric_bigger: bool
  exports_to_keep: int32, multi_placeholder: bool
EasyRecModel
  model_class: string, model_name: string, feature_groups: FeatureGroup*
  model_params: ModelParams
  embedding_regularization: float, num_class: uint32, use_embedding_variable: bool
  wide_and_deep: WideAndDeep|model, deepfm: DeepFM|model, multi_tower: MultiTower|model
  fm: FM|model, dcn: DCN|model, autoint: AutoInt|model, dbmtl: DBMTL|model, mmoe: MMoE|model
  esmm: ESMM|model, ple: PLE|model, simple_multi_task: SimpleMultiTask|model, dssm: DSSM|model
FeatureGroup
  group_name: string, feature_names: string*, wide_deep: WideOrDeep
  negative_sampler: bool, sequence_features: SeqAttGroupConfig*
SeqAttGroupConfig
  group_name: string, seq_dnn: DNN, tf_summary: bool
DNN
  hidden_units: uint32*, dropout_ratio: float*, activation: string, use_bn: bool
WideAndDeep
  wide_output_dim: uint32, dnn: DNN, final_dnn: DNN, l2_regularization: float
DeepFM
  dnn: DNN, final_dnn: DNN, wide_output_dim: uint32, wide_regularization: float
  dense_regularization: float, l2_regularization: float
MultiTower
  towers: Tower*, final_dnn: DNN, din_towers: DINTower*, bst_towers: Tower*
  l2_regularization: float
Tower
  input: string, dnn: DNN
DINTower
  input: string, dnn: DNN
FM
  use_variant: bool, l2_regularization: float
DCN
  deep_tower: Tower, cross_tower: CrossTower, final_dnn: DNN, l2_regularization: float
CrossTower
  input: string, cross_num: uint32
AutoInt
  multi_head_num: uint32, multi_head_size: uint32, interacting_layer_num: uint32
  l2_regularization: float
DBMTL
  bottom_dnn: DNN, expert_dnn: DNN, num_expert: uint32, task_towers: TaskTower*
  l2_regularization: float
MMoE
  experts: Expert*, expert_dnn: DNN, num_expert: uint32, task_towers: TaskTower*
  l2_regularization: float
Expert
  expert_name: string, dnn: DNN
ESMM
  groups: Tower*, ctr_tower: TaskTower, cvr_tower: TaskTower, l2_regularization: float
PLE
  extraction_networks: ExtractionNetwork*, task_towers: TaskTower*, l2_regularization: float
ExtractionNetwork
  network_name: string, expert_num_per_task: uint32, share_num: uint32
  task_expert_net: DNN, share_expert_net: DNN
SimpleMultiTask
  task_towers: TaskTower*, l2_regularization: float
DSSM
  user_tower: Tower, item_tower: Tower, l2_regularization: float, temperature: float
ModelParams
  task_towers: TaskTower*, l2_regularization: float
TaskTower
  tower_name: string, label_name: string, metrics_set: EvalMetrics*, num_class: uint32, dnn: DNN
  weight: float, task_space_indicator_label: string, in_task_space_weight: float
  out_task_space_weight: float, relation_tower_names: string*, relation_dnn: DNN
"""
_ENUMS = {
    "FeatureType": (
        "IdFeature RawFeature TagFeature ComboFeature LookupFeature SequenceFeature ExprFeature"
        " PassThroughFeature"
    ),
    "WideOrDeep": "DEEP WIDE WIDE_AND_DEEP",
    "DistributionStrategy": (
        "NoStrategy PSStrategy SSStrategy CollectiveAllReduceStrategy MirroredStrategy"
        " ExascaleStrategy MultiWorkerMirroredStrategy HorovodStrategy SokStrategy"
        " EmbeddingParallelStrategy"
    ),
}
FILE_ENUMS = {"WideOrDeep", "DistributionStrategy"}  # in EasyRec they belong to no message
_FieldProto = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FieldProto.TYPE_STRING,
    "bool": _FieldProto.TYPE_BOOL,
    "float": _FieldProto.TYPE_FLOAT,
    "double": _FieldProto.TYPE_DOUBLE,
    "int32": _FieldProto.TYPE_INT32,
    "int64": _FieldProto.TYPE_INT64,
    "uint32": _FieldProto.TYPE_UINT32,
    "uint64": _FieldProto.TYPE_UINT64,
}


def new_config() -> Any:
    """An empty EasyRecConfig."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_file().SerializeToString())
    kind = pool.FindMessageTypeByName("rehearsal.EasyRecConfig")
    return message_factory.GetMessageClass(kind)()


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="rehearsal_pipeline.proto", package="rehearsal", syntax="proto2"
    )
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values.split()):
            enum.value.add(name=value, number=number)
    for line in _MESSAGES.strip().splitlines():
        if not line.startswith(" "):
            message = file.message_type.add(name=line.strip())
            continue
        for said in line.split(","):
            name, _, kind = said.strip().partition(": ")
            _add(message, name, kind)
    return file


def _add(message: descriptor_pb2.DescriptorProto, name: str, kind: str) -> None:
    kind, _, group = kind.partition("|")
    is_repeated = kind.endswith("*")
    kind = kind.rstrip("*")
    field = message.field.add(
        name=name,
        number=len(message.field) + 1,
        label=_FieldProto.LABEL_REPEATED if is_repeated else _FieldProto.LABEL_OPTIONAL,
    )
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _FieldProto.TYPE_ENUM if kind in _ENUMS else _FieldProto.TYPE_MESSAGE
        field.type_name = f".rehearsal.{kind}"
    if group:
        groups = [one.name for one in message.oneof_decl]
        if group not in groups:
            message.oneof_decl.add(name=group)
            groups.append(group)
        field.oneof_index = groups.index(group)

"""Our rows of the table, in the order in which they are tried; a user's own rows come before.

What a platform says about a job counts more than what the job wrote, and a line that ends a job
more than a warning on the way: so lines of Python's are taken where they begin a line.

Seen in real logs: Python 3.11, NumPy 2, scikit-learn 1, bash, the kernel's OOM killer. From the
sources of the projects: TensorFlow (`core/common_runtime`, `core/lib/core/errors.h`), PyTorch
(`c10/cuda`, `ATen/native`), NCCL. MaxCompute's codes: Alibaba Cloud, "Error code overview" and the
pages below it; "not enough resource": EasyRec's issue 55.
"""

from __future__ import annotations

from hpo_nni.failures.base import FailureKind, Rule, Where

_T, _I, _U = FailureKind.TRANSIENT, FailureKind.INFEASIBLE, FailureKind.USER
_LOG, _MESSAGE, _EXIT, _STATE, _ERROR = Where

_MC = "maxcompute"
_PYTHON = r"^(?:[\w.]+\.)?"  # an uncaught exception of Python's begins its line
_CODE = r"ODPS-"

_FROM_THE_PLATFORM = (
    Rule(_T, _STATE, r"^lost$", "the job was lost"),
    Rule(_T, _ERROR, r"\bTransient\w+|\bInDoubtError\b", "a service was out of order"),
    Rule(_T, _ERROR, r"\bSilentMetricError\b", "its metrics stopped coming"),
    Rule(_U, _ERROR, r"\bDayError\b", "a day is missing"),
    Rule(_I, _MESSAGE, r"(?i)out of memory|\bOOM\w*|memory limit", "out of memory"),
    Rule(_T, _MESSAGE, r"(?i)\b(evicted|eviction|pre-?empt(ed|ion))\b", "it was evicted"),
    Rule(
        _T,
        _MESSAGE,
        r"(?i)quota\s?exceeded|exceeds? (the )?quota|\b(Slot|Flow|QPS)Exceeded\b",
        "a quota was used up for now",
    ),
    Rule(_T, _MESSAGE, r"not enough resource", "a quota was used up for now", _MC),
    Rule(_I, _MESSAGE, rf"{_CODE}0123049", "out of memory", _MC),
    Rule(
        _U,
        _MESSAGE,
        rf"{_CODE}01301(21|31|41|51|61)|{_CODE}0130071|{_CODE}0420111|NoSuch\w+",
        "a name or a statement is wrong",
        _MC,
    ),
    Rule(
        _U,
        _MESSAGE,
        rf"{_CODE}01[123]0011|{_CODE}0130013|{_CODE}0420095|{_CODE}04100(31|42|51)"
        r"|\b(NoPermission|Unauthorized)\b",
        "no permission",
        _MC,
    ),
    Rule(
        _U,
        _MESSAGE,
        rf"{_CODE}04200[3456]1|{_CODE}0420411|{_CODE}0121095|{_CODE}0410001",
        "an argument is wrong",
        _MC,
    ),
)

_MEMORY = (
    Rule(_I, _LOG, rf"{_PYTHON}_?\w*MemoryError\b", "out of memory"),
    Rule(_I, _LOG, r"OOM when allocating tensor|Resource ?exhausted: .*memory", "out of memory"),
    Rule(
        _I, _LOG, r"CUDA out of memory|OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY", "out of memory"
    ),
    Rule(_I, _LOG, r"CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED", "out of memory"),
    Rule(_I, _LOG, r"java\.lang\.OutOfMemoryError", "out of memory"),
    Rule(
        _I, _LOG, r"std::bad_alloc|(?i:cannot allocate memory)|oom-kill|OOMKilled", "out of memory"
    ),
    Rule(_I, _LOG, r"Out of memory: Killed process", "out of memory"),
)

_DIVERGED = (
    Rule(_I, _ERROR, r"\bDivergedError\b", "it diverged"),
    Rule(_I, _LOG, r"NaN loss during training|NanLossDuringTrainingError", "it diverged"),
    Rule(
        _I,
        _LOG,
        r"(?i)model diverged with loss ?= ?nan|loss (is|became|=) ?(nan|inf)",
        "it diverged",
    ),
    Rule(
        _I, _LOG, r"Found Inf or NaN|: Tensor had (NaN|Inf)|contains (NaN|infinity)", "it diverged"
    ),
    Rule(
        _I,
        _LOG,
        rf"{_PYTHON}(FloatingPointError|OverflowError|ZeroDivisionError|\w*LinAlgError)\b",
        "it diverged",
    ),
)

_SHAPES = (
    Rule(_I, _LOG, r"mat1 and mat2 shapes cannot be multiplied|size mismatch", "shapes do not fit"),
    Rule(_I, _LOG, r"(?i)must match the size of tensor|incompatible shapes?", "shapes do not fit"),
    Rule(
        _I, _LOG, r"could not be broadcast together|mismatch in its core dim", "shapes do not fit"
    ),
    Rule(_I, _LOG, r"Matrix size-incompatible|Dimensions must be equal", "shapes do not fit"),
    Rule(
        _I, _LOG, r"(?i)shape mismatch|cannot reshape|Negative dimension size", "shapes do not fit"
    ),
)

_MISTAKES = (
    Rule(_U, _LOG, rf"{_PYTHON}(ImportError|ModuleNotFoundError)\b", "a module is missing"),
    Rule(_U, _LOG, rf"{_PYTHON}(SyntaxError|IndentationError|NameError)\b", "the code has a fault"),
    Rule(_U, _LOG, rf"{_PYTHON}(FileNotFoundError|NotADirectoryError)\b", "a file is missing"),
    Rule(_U, _LOG, rf"{_PYTHON}(PermissionError|\w*PermissionDenied\w*)\b", "no permission"),
    Rule(_U, _LOG, r"^(?!.*object file).*No such file or directory", "a file is missing"),
    Rule(_U, _LOG, r": (command )?not found$", "a command is missing"),
    Rule(_U, _LOG, r": Permission denied$", "no permission"),
    Rule(
        _U,
        _LOG,
        r"\berror: (unrecognized arguments|the following arguments|argument )",
        "its arguments are wrong",
    ),
    Rule(
        _U,
        _LOG,
        r"(?i)\b(table|partition) not found\b|no such (table|column)",
        "a table is missing",
    ),
    Rule(_U, _LOG, r"No space left on device|Disk quota exceeded", "the disk is full"),
    Rule(_U, _EXIT, "126", "a command cannot be run"),
    Rule(_U, _EXIT, "127", "a command is missing"),
)

_NETWORK = (
    Rule(
        _T,
        _LOG,
        rf"{_PYTHON}(Connection\w*Error|BrokenPipeError|TimeoutError)\b",
        "the network failed",
    ),
    Rule(_T, _LOG, r"Connection (reset|refused|timed out|aborted)", "the network failed"),
    Rule(
        _T,
        _LOG,
        r"(?i)temporary failure in name resolution|name or service not known",
        "the network failed",
    ),
    Rule(
        _T, _LOG, r"(?i)\b(read|connect\w*) ?time(d )?out\b|remote end closed", "the network failed"
    ),
    Rule(
        _T, _LOG, r"\b(UnavailableError|AbortedError|DeadlineExceededError)\b", "a worker was lost"
    ),
    Rule(
        _T,
        _LOG,
        r"StatusCode\.UNAVAILABLE|NCCL (error|WARN .*(timeout|unhandled))",
        "a worker was lost",
    ),
    Rule(
        _T,
        _LOG,
        r"(?i)\b(HTTP\D{0,12}|status\D{0,9})(429|502|503|504)\b|too many requests",
        "a service was busy",
    ),
    Rule(
        _T, _LOG, r"(?i)throttl(ed|ing)|quota ?exceeded|SlowDown\b", "a quota was used up for now"
    ),
    Rule(_T, _LOG, r"(?i)\b(evicted|pre-?empted)\b", "it was evicted"),
    Rule(_T, _LOG, r"Address already in use", "a port was taken"),
    Rule(_T, _LOG, r"all CUDA-capable devices are busy or unavailable", "the GPU was busy"),
)

_AT_LAST = (
    Rule(
        _T,
        _MESSAGE,
        rf"{_CODE}(0010000|0430055|0140178|1202005|1230153)|Internal\w+Error",
        "the service failed",
        _MC,
    ),
    Rule(_T, _EXIT, "75", "it asked to be tried again"),  # EX_TEMPFAIL of sysexits.h
    Rule(_T, _EXIT, "-1,-2,-9,-15,129,130,137,143", "it was killed from outside"),
    Rule(_U, _LOG, rf"{_PYTHON}\w*(Error|Exception)\b", "an exception ended it"),
    Rule(
        _U,
        _ERROR,
        r"\b(SettingsError|KeyPathError|DocumentError|ValueMismatchError|CommandSyntaxError"
        r"|RegistryError|MissingExtraError|MetricError|StoreError|PlatformError)\b",
        "the trial cannot work like this",
    ),
)

RULES: tuple[Rule, ...] = (
    *_FROM_THE_PLATFORM,
    *_MEMORY,
    *_DIVERGED,
    *_SHAPES,
    *_MISTAKES,
    *_NETWORK,
    *_AT_LAST,
)

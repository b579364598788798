from __future__ import annotations

import subprocess
import sys

import pytest

from hpo_nni.failures import Evidence, FailureKind, Rule, Where, classify, signature

T, I, U = FailureKind.TRANSIENT, FailureKind.INFEASIBLE, FailureKind.USER  # noqa: E741
UNKNOWN = FailureKind.UNKNOWN


def python(code):
    return f"{sys.executable} -c '{code}'"


REAL = {  # shell commands that fail as training jobs do, with what they are and what says so
    "no memory": (
        "ulimit -v 300000; " + python("x = bytearray(10**10)"),
        (I, "its log says 'MemoryError'"),
    ),
    "no memory for an array": (
        "ulimit -v 3000000; " + python("import numpy; numpy.ones((10**6, 10**6))"),
        (I, "ArrayMemoryError: Unable to allocate 7.28 TiB"),
    ),
    "killed": ("kill -9 $$", (T, "it was killed from outside")),
    "told to end": ("kill -15 $$", (T, "it was killed from outside")),
    "asks for patience": ("exit 75", (T, "it asked to be tried again")),
    "a product of wrong shapes": (
        python("import numpy as np; np.ones((3, 4)) @ np.ones((5, 6))"),
        (I, "shapes do not fit"),
    ),
    "a sum of wrong shapes": (
        python("import numpy as np; np.ones((3, 4)) + np.ones((5, 6))"),
        (I, "shapes do not fit"),
    ),
    "a float that is too large": (python("import math; math.exp(1e4)"), (I, "OverflowError")),
    "a singular matrix": (
        python("import numpy as np; np.linalg.inv(np.zeros((2, 2)))"),
        (I, "it diverged"),
    ),
    "no module": (python("import nosuchmodule"), (U, "No module named")),
    "no name in a module": (python("from os import nosuch"), (U, "cannot import name")),
    "a misspelling": (python("learning_rat"), (U, "NameError")),
    "no command": ("nosuchcommand --lr 1", (U, "nosuchcommand: command not found")),
    "not executable": ("touch plain; ./plain", (U, "Permission denied")),
    "no script": (f"{sys.executable} nosuch.py", (U, "No such file or directory")),
    "no data": (python('open("/nonexistent/train.csv")'), (U, "/nonexistent/train.csv")),
    "wrong arguments": (
        python('import argparse; argparse.ArgumentParser().parse_args(["--lrr", "1"])'),
        (U, "unrecognized arguments: --lrr 1"),
    ),
    "a full disk": (
        python('f = open("/dev/full", "w"); f.write("x" * 100000)'),
        (U, "the disk is full"),
    ),
    "nobody listens": (
        python('import urllib.request as u; u.urlopen("http://127.0.0.1:9")'),
        (T, "Connection refused"),
    ),
    "no such host": (
        python('import socket; socket.getaddrinfo("no.such.host.invalid", 80)'),
        (T, "the network failed"),
    ),
    "no answer": (python('raise TimeoutError("timed out")'), (T, "TimeoutError: timed out")),
    "a bug": (python('{}["lr"]'), (U, "KeyError: 'lr'")),
    "a silent failure": ("exit 3", (UNKNOWN, "no rule knows 'exit code 3'")),
}


@pytest.mark.parametrize("command, expected", REAL.values(), ids=REAL)
def test_real_failures_get_their_class(command, expected, tmp_path):
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    failure = classify(
        Evidence(f"exit code {done.returncode}", done.stdout + done.stderr, done.returncode)
    )

    assert failure.kind is expected[0], failure
    assert expected[1] in failure.evidence


WRITTEN = {  # as TensorFlow, PyTorch and others write them
    "2026-11-21 10:00:00.123: W tensorflow/core/framework/op_kernel.cc:1830] OP_REQUIRES failed at "
    "matmul_op.cc:45 : RESOURCE_EXHAUSTED: OOM when allocating tensor with shape[8192,8192]": I,
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total": I,
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`": I,
    "terminate called after throwing an instance of 'std::bad_alloc'": I,
    "tensorflow_estimator.NanLossDuringTrainingError: NaN loss during training.": I,
    "ERROR:tensorflow:Model diverged with loss = NaN.": I,
    "ValueError: Input X contains NaN.": I,
    "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x10 and 20x5)": I,
    "tensorflow.python.framework.errors_impl.InvalidArgumentError: Matrix size-incompatible: In": I,
    "tensorflow.python.framework.errors_impl.UnavailableError: Socket closed": T,
    "grpc._channel._InactiveRpcError: status = StatusCode.UNAVAILABLE": T,
    "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970": T,
    "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='oss', port=80): Read timed out.": T,
    "oss2.exceptions.ServerError: {'status': 503, 'Code': 'SlowDown'}": T,
    "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable": T,
    "sqlite3.OperationalError: no such table: clicks": U,
    "/bin/bash: line 2: easy_rec: command not found": U,
    "sh: 1: easy_rec: not found": U,
}


@pytest.mark.parametrize("line, kind", WRITTEN.items(), ids=[line[:40] for line in WRITTEN])
def test_lines_of_frameworks_get_their_class(line, kind):
    log = f"INFO step 100\nTraceback (most recent call last):\n  File 'x.py'\n{line}\n"

    assert classify(Evidence("exit code 1", log, 1)).kind is kind


SERVICE = {  # what a platform says of a job, and the class
    ("failed", "ODPS-0130131:[1,15] Table not found - table p.t cannot be resolved"): U,
    ("failed", "ODPS-0420111: xflow not found - p/xflows/easy_rec_ex"): U,
    ("failed", "ODPS-0130013:Authorization exception - Authorization Failed"): U,
    ("failed", "ODPS-0420411: Invalid argument - train_tables has no table: x"): U,
    (
        "failed",
        "ODPS-1202005:Algo Job Failed-System Error-Wait over 30min, not enough resource.",
    ): T,
    ("failed", "ODPS-0010000:System internal error - worker 0 exited with code 139"): T,
    ("failed", "ODPS-0010000:System internal error - worker 0: Out of memory"): I,
    ("failed", "ODPS-0123049: buffer overflow"): I,
    ("failed", "RequestQuotaExceeded: too many instances"): T,
    ("failed", "the node was low on memory; the pod was evicted"): T,
    ("failed", "OOMKilled"): I,
    ("lost", "it has ended, and the service does not say how"): T,
    ("failed", "it failed, and the service does not say why"): UNKNOWN,
}


@pytest.mark.parametrize("said, kind", SERVICE.items(), ids=[words[:40] for _, words in SERVICE])
def test_the_services_words_decide(said, kind):
    state, message = said

    assert classify(Evidence(message, "", None, state, platform="maxcompute")).kind is kind


def test_what_the_training_wrote_counts_more_than_a_service_that_names_no_cause():
    message = "ODPS-0010000:System internal error - worker 0 exited with code 1"

    failure = classify(Evidence(message, "ImportError: no x", platform="maxcompute"))

    assert failure.kind is U


ERRORS = {
    ("NoMatchError", "KeyPathError", "HpoNniError"): U,
    ("SettingsError", "HpoNniError"): U,
    ("DivergedError", "MetricError", "HpoNniError"): I,
    ("MetricError", "HpoNniError"): U,
    ("TransientStoreError", "StoreError", "HpoNniError"): T,
    ("InDoubtError", "TransientPlatformError", "PlatformError", "HpoNniError"): T,
    ("PlatformError", "HpoNniError"): U,
    ("LedgerError", "HpoNniError"): UNKNOWN,
}


@pytest.mark.parametrize("errors, kind", ERRORS.items(), ids=[errors[0] for errors in ERRORS])
def test_our_own_errors_get_their_class(errors, kind):
    assert classify(Evidence("it went wrong", errors=errors)).kind is kind


def test_a_warning_on_the_way_does_not_decide():
    log = (
        "W dso_loader.cc:64] Could not load dynamic library 'libcudart.so.11.0'; dlerror: "
        "libcudart.so.11.0: cannot open shared object file: No such file or directory\n"
        "ConnectionResetError: [Errno 104] Connection reset by peer\n"
    )

    assert classify(Evidence("exit code 1", log, 1)).kind is T


def test_a_users_row_comes_before_ours_and_the_first_of_them_wins():
    rows = [
        Rule(T, Where.LOG, r"MemoryError: pinned", "mine"),
        Rule(U, Where.LOG, r"MemoryError", "mine, too"),
        Rule(I, Where.EXIT, "77, 78"),
    ]

    def kind(log, code=1):
        return classify(Evidence(f"exit code {code}", log, code), rows).kind

    assert kind("MemoryError: pinned pool") is T
    assert kind("MemoryError") is U
    assert kind("", 78) is I
    assert kind("", 127) is U


def test_evidence_is_one_short_line():
    failure = classify(Evidence("exit code 1", "x\n" + "ImportError: " + "y" * 9999 + "\nz", 1))

    assert failure.evidence.startswith("a module is missing: its log says 'ImportError: yyy")
    assert len(failure.evidence) < 300


FAULTS = {
    (Where.LOG, "(unclosed"): "is no regular expression",
    (Where.EXIT, "many"): "is no exit code",
    (Where.EXIT, ""): "is no exit code",
}


@pytest.mark.parametrize("given, message", FAULTS.items(), ids=str)
def test_a_wrong_pattern_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Rule(T, *given)


SAME = [
    ("no file '/exp/trials/aB3dE/x.csv'", "no file '/exp/trials/Qq9Zz/x.csv'", True),
    ("line 3 of 12", "line 4 of 120", True),
    ("object at 0x7f3a", "object at 0x81bc", True),
    ("No module named 'a'", "No module named 'b'", False),
]


@pytest.mark.parametrize("one, other, is_same", SAME)
def test_a_signature_leaves_out_what_differs_between_trials(one, other, is_same):
    assert (signature("user", one) == signature("user", other)) is is_same
    assert signature("user", one) != signature("unknown", one)


def test_a_signature_leaves_out_the_trials_own_names():
    assert signature("user", "trial aBcDe failed", ["aBcDe"]) == signature(
        "user", "trial XyZzy failed", ["XyZzy"]
    )

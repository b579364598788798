"""What a trial's process costs before its job starts, beside what `import nni` alone takes.

    python benchmarks/trial_cost.py [--rounds 5]

The trial is a whole one, outside NNI: it reads its ini, edits a config, opens the ledger and starts
a job that sleeps. Its processor time and peak memory are read when the job runs; those of the
others when they end. All are measured in turn, and the table shows medians.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
MOST_SECONDS, MOST_MB = 0.3, 30.0  # beyond `import nni`
INI = """\
[platform_config]
name = local
cmd1 = touch "${NNI_OUTPUT_DIR}/started" && sleep 60

[params_config]
params_src_dst_filepath = pipeline.config

[metric_config]
metric_type = summary
metric_source = ${NNI_OUTPUT_DIR}/eval_val
metric_dict = {'accuracy': 1}
poll_interval = 60
"""
POINT = '{"feature_configs[:].train_noise": 0.5, "train_config.batch_size": 64}'
TRIAL = ["--config=trial.ini", "--params=point.json"]
RUN_WITH_NNI = "import nni, runpy; runpy.run_module('hpo_nni.trial', run_name='__main__')"

Cost = tuple[float, float]
"""Processor time in seconds, peak memory in MB."""


def cost_of_whole(folder: Path, arguments: list[str]) -> Cost:
    """Run Python with these arguments to its end."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3


def cost_until_job(folder: Path, arguments: list[str]) -> Cost:
    """Run a trial until its job has started, then end both."""
    process = subprocess.Popen(
        [sys.executable, *arguments, *TRIAL],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    trials = folder / "hpo_nni_trials"
    try:
        while not any(trials.glob(f"*-{process.pid}/started")):
            assert process.poll() is None, "the trial ended before its job began"
            time.sleep(0.005)
        proc = Path("/proc", str(process.pid))
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    seconds = (int(fields[11]) + int(fields[12])) / TICKS
    return seconds, float(status["VmHWM"].split()[0]) * 1.024 / 1e3


CASES = {
    "python, and nothing else": (cost_of_whole, ["-c", "pass"]),
    "import nni": (cost_of_whole, ["-c", "import nni"]),
    "a trial, up to its job": (cost_until_job, ["-m", "hpo_nni.trial"]),
    "the same with `import nni`": (cost_until_job, ["-c", RUN_WITH_NNI]),
}


def main() -> int:
    """Measure in turn, print the table; 1 if a trial costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    found: dict[str, list[Cost]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "trial.ini").write_text(INI, encoding="utf-8")
        (folder / "point.json").write_text(POINT, encoding="utf-8")
        config = ROOT / "examples/digits_local/pipeline.config"
        (folder / config.name).write_bytes(config.read_bytes())
        for _ in range(rounds + 1):
            for case, (measure, arguments) in CASES.items():
                found[case].append(measure(folder, arguments))
    medians = {
        case: [statistics.median(column) for column in zip(*costs[1:], strict=True)]
        for case, costs in found.items()  # the first round warms the disk's cache
    }
    seconds, megabytes = medians["import nni"]
    print(f"{'':28}{'processor s':>12}{'ratio':>7}{'peak MB':>9}{'ratio':>7}")
    for case, (took, peak) in medians.items():
        print(f"{case:28}{took:12.2f}{took / seconds:7.2f}{peak:9.1f}{peak / megabytes:7.2f}")
    took, peak = medians["a trial, up to its job"]
    fits = took <= seconds + MOST_SECONDS and peak <= megabytes + MOST_MB
    wanted = f"at most {MOST_SECONDS:g} s and {MOST_MB:g} MB beyond `import nni`"
    print(f"wanted: {wanted}: {'yes' if fits else 'NO'}")
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())

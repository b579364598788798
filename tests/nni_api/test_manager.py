from __future__ import annotations

import subprocess
import sys

import pytest

from hpo_nni.nni_api.manager import find_manager

# What NNI's manager is to a trial: a process with these words, and a shell between.
MANAGER = """
import os, subprocess, sys
code = "import os; from hpo_nni.nni_api.manager import find_manager as f; m = f('Exp1'); "
code += "print(m and (m.rest_url, m.pid == int(os.environ['MANAGER'])))"
os.environ["MANAGER"] = str(os.getpid())
subprocess.run(["sh", "-c", f'"{sys.executable}" -c "{code}"; true'], check=True)
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--port", "8080", "--experiment-id", "Exp1"], ("http://localhost:8080", True)),
        (
            ["--port", "9", "--experiment-id", "Exp1", "--url-prefix", "a/b"],
            ("http://localhost:9/a/b", True),
        ),
        (["--port", "8080", "--experiment-id", "Exp2"], None),
        (["--experiment-id", "Exp1", "--port"], None),
    ],
)
def test_the_manager_is_the_ancestor_with_the_experiments_id(options, expected):
    done = subprocess.run(
        [sys.executable, "-c", MANAGER, *options], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == str(expected)


def test_outside_nni_there_is_no_manager():
    assert find_manager("no such experiment") is None

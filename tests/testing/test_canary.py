from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from urllib.parse import quote, quote_plus

import pytest

from hpo_nni.testing.canary import Canaries, ProcessWatch
from hpo_nni.testing.processes import eventually

SECRET = 'canary/Of+The "Tests"=é'
SPELLINGS = {
    "plain": SECRET,
    "URL": quote(SECRET, safe=""),
    "URL, with slashes": quote(SECRET),
    "a form": quote_plus(SECRET),
    "JSON": json.dumps(SECRET),
    "JSON in UTF-8": json.dumps(SECRET, ensure_ascii=False),
    "JSON with slashes": json.dumps(SECRET).replace("/", "\\/"),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "base64 of JSON": base64.b64encode(json.dumps({"key": SECRET}).encode()).decode(),
    "base64 of a shifted text": base64.b64encode(f"{{{SECRET}".encode()).decode(),
    "base64 of a text shifted twice": base64.b64encode(f"{{{{{SECRET}".encode()).decode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("around", ["{}", "--exp_params {} --x", "'{}'", "a=1&k={}&b=2"])
def test_every_spelling_is_found(spelling, around):
    assert Canaries([SECRET]).found_in(around.format(SPELLINGS[spelling]).encode())


def test_other_texts_are_left_alone(tmp_path):
    (tmp_path / "a.txt").write_text(SECRET[:-1], encoding="utf-8")
    (tmp_path / "b.bin").write_bytes(os.urandom(100_000))

    assert Canaries([SECRET]).files(tmp_path) == []


def test_files_that_hold_one_are_named(tmp_path):
    known, new = tmp_path / "known.txt", tmp_path / "sub" / "new.sqlite"
    new.parent.mkdir()
    known.write_text(SECRET, encoding="utf-8")
    new.write_bytes(b"\0\1" + SPELLINGS["base64 of JSON"].encode() + b"\0")

    assert Canaries([SECRET]).files(tmp_path, [known]) == [new]


def test_arguments_and_environments_are_seen_while_a_process_runs(tmp_path):
    canaries = Canaries([SECRET])
    code = "import sys; sys.stdin.read()"
    mark = str(tmp_path)
    environ = {**os.environ, "MARK": mark, "KEY": SECRET}
    with ProcessWatch(mark, canaries, canaries) as watch:
        processes = [
            subprocess.Popen([sys.executable, "-c", code, *more], env=environ, stdin=-1)
            for more in ([], [SPELLINGS["base64 of JSON"]])
        ]
        eventually(lambda: len(watch.findings) >= 3)
        for process in processes:
            process.communicate()

    kinds = sorted(finding.partition(":")[0] for finding in watch.findings)
    assert kinds[0] == "arguments"
    assert set(kinds[1:]) == {"environment"}
    assert watch.seen >= 2

from __future__ import annotations

import pytest

from hpo_nni.nni_api.dispatcher_log import fatal_error

# as both versions wrote it; the paths are shortened
WORKER = """\
[2026-01-02 03:04:05] INFO (nni.runtime.msg_dispatcher_base/MainThread) Dispatcher started
[2026-01-02 03:04:06] ERROR (nni.runtime.msg_dispatcher_base/Thread-1 (command_queue_worker)) 'x'
Traceback (most recent call last):
  File "/v/nni/runtime/msg_dispatcher_base.py", line 108, in command_queue_worker
    self.process_command(command, data)
  File "/w/mytuner.py", line 9, in generate_parameters
    raise SettingsError(...)
          ^^^^^^^^^^^^^^^^^^
hpo_nni.errors.SettingsError: no idea
  hint: think
[2026-01-02 03:04:07] INFO (nni.runtime.msg_dispatcher_base/MainThread) Dispatcher exiting...
"""
START = """\
[2026-01-02 03:04:05] ERROR (nni.main/MainThread) no such thing
Traceback (most recent call last):
  File "/v/nni/__main__.py", line 85, in <module>
    main()
RuntimeError: no such thing
"""
SURVIVED = """\
[2026-01-02 03:04:05] ERROR (hpo_nni.core.ending/Thread-1 (command_queue_worker)) trial x
Traceback (most recent call last):
  File "/w/hpo_nni/core/ending.py", line 9, in _cancel
    job.cancel()
hpo_nni.errors.PlatformError: it does not die
[2026-01-02 03:04:07] INFO (nni/MainThread) going on
"""


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("", ""),
        (WORKER, "hpo_nni.errors.SettingsError: no idea\n  hint: think"),
        (START, "RuntimeError: no such thing"),
        (SURVIVED, ""),
        (SURVIVED + WORKER, "hpo_nni.errors.SettingsError: no idea\n  hint: think"),
        (WORKER + SURVIVED, "hpo_nni.errors.SettingsError: no idea\n  hint: think"),
    ],
)
def test_only_an_error_that_ended_the_dispatcher_counts(tmp_path, log, error):
    (tmp_path / "dispatcher.log").write_text(log)

    assert fatal_error(tmp_path) == error


def test_a_log_that_is_not_there_yet_tells_nothing(tmp_path):
    assert fatal_error(tmp_path) == ""

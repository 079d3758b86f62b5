"""Output of training processes: which of their lines the user sees, and how loudly."""

import logging
import subprocess
import sys

from tonality.runtime.spark.process_output import ProcessOutput

PROCESS = """
import logging
from tonality.runtime.spark.process_output import log_to_launcher
log_to_launcher()
log = logging.getLogger("tonality.model")
log.info("epoch %d of 2", 1)
log.warning("100 % of the rows\\nwere read twice")
log.debug("batch 7")
print("torchrun: noise")
"""


def test_a_message_of_a_process_keeps_its_level_and_its_line_feeds(caplog):
    done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True)
    with caplog.at_level(logging.DEBUG):
        ProcessOutput().write(done.stderr)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.INFO, "epoch 1 of 2"),
        (logging.WARNING, "100 % of the rows\nwere read twice"),
    ]


def test_torchruns_own_prefix_hides_no_message(caplog):
    ProcessOutput().write(f'[rank0]:tonality message: [{logging.WARNING}, "training starts over"]\n')
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.WARNING, "training starts over")
    ]


def test_other_lines_and_half_a_message_are_kept_for_a_failure(caplog):
    output = ProcessOutput()
    output.write('W1130 torchrun: noise\ntonality message: [20, "epo\n')
    assert caplog.messages == []
    output.show()
    assert caplog.messages == ['the processes wrote:\n  W1130 torchrun: noise\n  tonality message: [20, "epo']

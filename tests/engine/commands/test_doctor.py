"""What the engine says of this machine."""

from __future__ import annotations

import torch

from engine.commands.doctor import describe
from engine.device.choice import choose_device


def test_the_doctor_says_what_this_machine_has() -> None:
    facts = describe()
    assert facts["torch"] == torch.__version__
    assert facts["device"] == str(choose_device("auto"))
    assert len(facts["gpus"]) == torch.cuda.device_count()

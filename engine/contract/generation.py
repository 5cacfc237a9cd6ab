"""What the generation process reads on stdin and writes on stdout: one JSON object a line.

    python -m engine generate RUN_DIRECTORY

It says `loaded` (or `error`, and ends), then answers each request in the order in which they come:

    generate    begun, then text pieces of its samples, mingled, and done for each of them; or error
    load        loaded, or error: the checkpoint before stays
    unload      unloaded; the next `generate` loads it again

`cancel` takes effect at once: the samples of that request that are not done yet end with the reason `cancelled`. The
end of stdin ends the process.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from engine.contract.checkpoints import CheckpointName
from engine.contract.experiment import Sampling, Seed

Quantize = Literal["int8"]
StopReason = Literal["end_of_text", "length", "stop_text", "cancelled"]

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
MAX_SAMPLES = 64
MAX_ALTERNATIVES = 20


class Request(msgspec.Struct, tag_field="request", tag=str.lower):
    """One line on stdin."""


class Generate(Request):
    """Write stories that begin with `prompt`; equal requests with a seed give equal stories.

    Sample i is drawn with `seed` + i, whatever `num_samples` is, so it can be had alone.
    """

    prompt: str
    sampling: Sampling = Sampling()
    seed: Seed | None = None  # None draws one, which `begun` reports
    id: Id = 0  # repeated in the replies
    num_samples: Annotated[int, msgspec.Meta(ge=1, le=MAX_SAMPLES)] = 1
    alternatives: Annotated[int, msgspec.Meta(ge=0, le=MAX_ALTERNATIVES)] = (
        0  # likeliest tokens to report with each token
    )


class Cancel(Request):
    """End the request with this id; an unknown or finished one is ignored."""

    id: Id


class Load(Request):
    """Use this checkpoint from now on, as it is on disk now."""

    checkpoint: CheckpointName


class Unload(Request):
    """Give back the model's memory."""


class Reply(msgspec.Struct, tag_field="reply", tag=str.lower):
    """One line on stdout."""


class Loaded(Reply):
    """The checkpoint that will write."""

    checkpoint: CheckpointName
    step: int
    val_loss: float | None
    device: str
    load_seconds: float
    note: str | None = None  # for the user, such as why this is not the device that was asked for


class Unloaded(Reply):
    """The model's memory is free."""


class Begun(Reply):
    """A request is being answered."""

    id: int
    seed: int
    prompt_tokens: int  # that the model reads, the leading end-of-text included
    dropped_tokens: int = 0  # of the prompt's beginning, where it is longer than the context
    prompt: str | None = None  # in the model's language, where the prompt was translated
    note: str | None = None


class Token(msgspec.Struct, array_like=True):
    """A token of a story, with the probability, 0 to 1, that it was drawn with by the model alone: before penalties,
    temperature and cuts."""

    id: int
    probability: float
    alternatives: list[tuple[str, float]] = []  # the likeliest tokens' texts and probabilities, the likeliest first


class Text(Reply):
    """The next piece of a sample: whole characters only, so it may take several tokens, or have none yet."""

    text: str
    id: int = 0
    sample: int = 0
    tokens: list[Token] = []


class Done(Reply):
    """A sample has ended."""

    tokens: int  # written, the prompt's not counted
    tokens_per_second: float
    seconds_to_first_token: float
    reason: StopReason
    seed: int  # the sample's own
    id: int = 0
    sample: int = 0
    translation: str | None = None  # prompt and story in the reader's language, where stories are translated


class Error(Reply):
    """A request, or the loading, failed."""

    message: str
    id: int | None = None  # None where no request was understood


AnyRequest = Generate | Cancel | Load | Unload
AnyReply = Loaded | Unloaded | Begun | Text | Done | Error

encode = msgspec.json.Encoder().encode
decode_request: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)
decode_reply: msgspec.json.Decoder[AnyReply] = msgspec.json.Decoder(AnyReply)

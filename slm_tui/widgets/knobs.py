"""How a story is to be written, as fields beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label, Static

from engine.contract.experiment import Sampling, Seed
from engine.contract.generation import Generate
from engine.contract.loading import requirement


@dataclass(frozen=True)
class Knob:
    """A setting and its field."""

    name: str  # of a key of [sampling], or of a field of `Generate`
    label: str
    empty: str | None = None  # what an empty field means; None where it means nothing


KNOBS = (
    Knob("temperature", "temperature"),
    Knob("top_k", "top-k"),
    Knob("top_p", "top-p"),
    Knob("min_p", "min-p"),
    Knob("repetition_penalty", "repetition"),
    Knob("max_new_tokens", "length"),
    Knob("allowed_script", "script"),
    Knob("num_samples", "samples"),
    Knob("seed", "seed", empty="random"),
)
_TYPES: dict[str, Any] = {
    **{each.name: each.type for each in msgspec.structs.fields(Sampling)},
    **{each.name: each.type for each in msgspec.structs.fields(Generate) if each.name == "num_samples"},
    "seed": Seed,
}


class Knobs(VerticalScroll, can_focus=False):
    """The fields; `request` makes a request of what they say."""

    DEFAULT_CSS = """
    Knobs {
        layout: grid;
        grid-size: 2;
        grid-columns: 12 1fr;
        grid-rows: 1 1 1 1 1 1 1 1 1 auto;
        & > Label { color: $text-muted; }
        & > Input { height: 1; border: none; padding: 0; background: $panel; }
        & > Input:focus { border: none; background: $primary 35%; }
        & > Input.-wrong { color: $text-error; }
        & > .problem { column-span: 2; height: auto; margin: 1 0 0 0; color: $text-error; }
    }
    """

    @dataclass
    class Turned(Message):
        """A person has confirmed a field: write with it."""

    def __init__(self, sampling: Sampling, limits: Mapping[str, int] | None = None) -> None:
        """`limits`: what whole numbers may be at most, by the settings' names."""
        super().__init__(id="knobs", classes="pane")
        self.border_title = "settings"
        bounded = {name: most for name, most in (limits or {}).items() if name in _TYPES}
        self._types = _TYPES | {name: Annotated[int, msgspec.Meta(ge=1, le=most)] for name, most in bounded.items()}
        own = {name: getattr(sampling, name) for name in bounded if hasattr(sampling, name)}
        lower = {name: min(bounded[name], value) for name, value in own.items()}
        self._sampling = msgspec.structs.replace(sampling, **lower)

    def compose(self) -> ComposeResult:
        for knob in KNOBS:
            value = getattr(self._sampling, knob.name, 1 if knob.empty is None else None)
            text = "" if value is None else f"{value}"
            yield Label(knob.label)
            yield Input(text, placeholder=knob.empty or "", validate_on=(), id=knob.name)
        yield Static(classes="problem", markup=False)

    @property
    def problem(self) -> str | None:
        """What is wrong with the fields, if anything is."""
        for knob in KNOBS:
            try:
                self._value(knob)
            except msgspec.ValidationError:
                return f"{knob.label}: must be {requirement(msgspec.inspect.type_info(self._types[knob.name]))}"
        return None

    def _value(self, knob: Knob) -> Any:
        text = self.query_one(f"#{knob.name}", Input).value.strip()
        if not text and knob.empty is not None:
            return None
        return msgspec.convert(text, self._types[knob.name], strict=False)

    def request(self, prompt: str, number: int, seed: int | None = None) -> Generate:
        """A request with this prompt and id; `seed` goes before the field's. There is no problem with the fields."""
        values = {knob.name: self._value(knob) for knob in KNOBS}
        own, count = values.pop("seed"), values.pop("num_samples")
        sampling = msgspec.structs.replace(self._sampling, **values)
        return Generate(prompt, sampling, own if seed is None else seed, number, count, alternatives=5)

    @on(Input.Changed)
    def _check(self, event: Input.Changed) -> None:
        problem = self.problem
        self.query_one(".problem", Static).update(problem or "")
        label = next(knob.label for knob in KNOBS if knob.name == event.input.id)
        event.input.set_class(problem is not None and problem.startswith(f"{label}:"), "-wrong")

    @on(Input.Submitted)
    def _turned(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Turned())

    def on_key(self, event: Any) -> None:
        """Up and down go from field to field."""
        if event.key in ("up", "down"):
            event.stop()
            fields = list(self.query(Input))
            here = next((place for place, each in enumerate(fields) if each.has_focus), 0)
            fields[max(0, min(len(fields) - 1, here + (1 if event.key == "down" else -1)))].focus()

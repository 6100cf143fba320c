"""The forms of decay: where λ acts in a training, and all that follows from that.

Each is one row of `FORMS`. Nothing else knows a form by its name: the commands offer the rows as
options, train, describe, contrast, sweep and study them by what stands in them. To add a form,
write its row. What a row holds is described in `experiments.decay_form`.

The rows are read before JAX is imported, so what builds an optimizer imports it itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from experiments.decay_form import Form, Ingredients, Names, Rate, Settings, Study

if TYPE_CHECKING:
    import optax


def formula(settings: Settings) -> str:
    """The penalty with its numbers, as ``5e-05·Σ‖w‖²``."""
    l1 = f"{settings.l1_strength:g}·Σ|w|"
    l2 = f"{settings.strength:g}·Σ‖w‖²"
    return {"l1": l1, "l2": l2, "elastic_net": f"{l1} + {l2}"}[settings.penalty]


# --- in the loss ---


def _describe_loss(form: Form, settings: Settings) -> str:
    torch = f"    (PyTorch: weight_decay={2 * settings.strength:g})"
    return f"loss = cross-entropy + {formula(settings)}{torch * (settings.penalty == 'l2')}"


LOSS = Form(
    name="loss",
    option="in the loss",
    describe=_describe_loss,
    code=lambda form, settings: "in loss",
    build=lambda form, given: [given.base],
    in_loss=True,
    contrasted=(),
)

# --- on the gradient ---


def _describe_coupled(form: Form, settings: Settings) -> str:
    name = "optax" if settings.penalty == "l2" else "jaxreg"
    code = f"{name}.{_coupled_code(form, settings)}"
    return f"gradient = ∇cross-entropy + ∇({formula(settings)})    ({code})"


def _coupled_code(form: Form, settings: Settings) -> str:
    l2 = f"add_decayed_weights({2 * settings.strength:g})"
    return l2 if settings.penalty == "l2" else "add_penalty_gradient"


def _coupled(form: Form, given: Ingredients) -> list[optax.GradientTransformation]:
    import optax

    import jaxreg

    if given.settings.penalty != "l2":
        return [jaxreg.add_penalty_gradient(given.penalty), given.base]
    decay = optax.add_decayed_weights(2 * given.settings.strength, mask=given.where.mask)
    return [decay, given.base]


COUPLED = Form(
    name="coupled",
    option="on the gradient, before the optimizer (optax.add_decayed_weights(2λ))",
    describe=_describe_coupled,
    code=_coupled_code,
    build=_coupled,
    study=Study(
        option="λ‖w‖² in the loss",
        names={
            "sgd": Names("SGD with L2", "SGD with L2 in the loss", "the same by its ω"),
            "momentum": Names(
                "momentum with L2", "momentum with L2 in the loss", "the same by its ω at rest"
            ),
            "adam": Names("Adam with L2", "Adam with L2 in the loss", None),
        },
        presets=("standard", "full"),
        shown_by={"sgd": "decoupled"},  # under plain SGD they are one program
    ),
)

# --- on the weights, beside the step ---


def _decoupled_code(form: Form, settings: Settings) -> str:
    rate = f"{form.decay_rate(settings):g}"
    adam = settings.optimizer == "adam"
    return f"adamw(weight_decay={rate})" if adam else f"decoupled_decay({rate}, η_t)"


def _beside(pace: str, note: str) -> Callable[[Form, Settings], str]:
    def describe(form: Form, settings: Settings) -> str:
        symbol = f"{form.rate.symbol} = " if form.rate and settings.rate is None else ""
        rate = f"{symbol}{form.decay_rate(settings):g}"
        return f"w ← w − η_t·u_t − {pace}·ω·w, ω = {rate}    ({note})"

    return describe


def _decoupled(form: Form, given: Ingredients) -> list[optax.GradientTransformation]:
    return _decayed(form, given, given.learning_rate)


def _independent(form: Form, given: Ingredients) -> list[optax.GradientTransformation]:
    return _decayed(form, given, given.multiplier)


def _decayed(form: Form, given: Ingredients, pace: Any) -> list[optax.GradientTransformation]:
    import jaxreg

    rate = form.decay_rate(given.settings)
    return [given.base, jaxreg.decoupled_decay(rate, pace, where=given.where)]


_DECOUPLED_NAMES = {
    "sgd": Names("SGD", "SGD with L2 = SGDW, times the learning rate", "SGDW as published"),
    "momentum": Names("SGDW with momentum", "SGDW, times the learning rate", "SGDW as published"),
    "adam": Names("AdamW", "AdamW of PyTorch and optax", "AdamW as published"),
}
DECOUPLED = Form(
    name="decoupled",
    option="on the weights after the step, times the learning rate (AdamW of PyTorch and optax, "
    "ω = 2λ)",
    describe=_beside("η_t", "AdamW of PyTorch and optax"),
    code=_decoupled_code,
    build=_decoupled,
    penalties=("l2",),
    rate=Rate("2λ", lambda strength, learning_rate: 2 * strength),
    through_momentum=False,
    study=Study(
        option="beside the step, times the learning rate (AdamW of PyTorch and optax)",
        names=_DECOUPLED_NAMES,
        presets=("quick", "standard", "full"),
        trained_as="independent",  # by the decay per step, of which both forms are views
    ),
)
INDEPENDENT = Form(
    name="independent",
    option="likewise, times the schedule alone (AdamW as published, ω = 2αλ)",
    describe=_beside("s_t", "AdamW as published"),
    code=lambda form, settings: f"decoupled_decay({form.decay_rate(settings):g}, s_t)",
    build=_independent,
    penalties=("l2",),
    rate=Rate("2αλ", lambda strength, learning_rate: 2 * strength * learning_rate),
    through_momentum=False,
    contrasted=("decoupled",),
    study=Study(
        option="likewise, times the schedule alone (AdamW as published)",
        names=_DECOUPLED_NAMES,
        presets=("quick", "standard", "full"),
        shown_by=dict.fromkeys(_DECOUPLED_NAMES, "decoupled"),
    ),
)

# --- by the proximal operator, after the step ---


def _describe_proximal(form: Form, settings: Settings) -> str:
    penalty = formula(settings).replace("w", "v")
    return f"w ← argmin_v {penalty} + ‖v − w⁺‖²/(2η_t), w⁺ = w − η_t·u_t"


def _proximal(form: Form, given: Ingredients) -> list[optax.GradientTransformation]:
    """After momentum the step is as long as the momentum makes the gradient's, or its fixed points
    would not minimise loss + penalty."""
    import jaxreg

    step = times(form.reach(given.settings.optimizer), given.learning_rate)
    return [given.base, jaxreg.proximal_step(given.penalty, step)]


PROXIMAL = Form(
    name="proximal",
    option="the proximal operator after the step",
    describe=_describe_proximal,
    code=lambda form, settings: "proximal_step",
    build=_proximal,
    contrasted=("loss", "decoupled"),
    study=Study(
        option="its proximal operator after the step",
        names={
            name: Names(f"proximal {short}", f"prox of λ‖w‖² after {short}", "the same by its ω")
            for name, short in (("sgd", "SGD"), ("momentum", "momentum"), ("adam", "Adam"))
        },
    ),
)


def times(factor: Any, schedule: Any) -> Any:
    """A number or a schedule, multiplied."""
    return (lambda step: factor * schedule(step)) if callable(schedule) else factor * schedule


# --- the table ---

FORMS: dict[str, Form] = {
    form.name: form for form in (LOSS, COUPLED, DECOUPLED, INDEPENDENT, PROXIMAL)
}


def taking_rate() -> list[Form]:
    """The forms that take ``--rate``."""
    return [form for form in FORMS.values() if form.rate is not None]


def in_study(preset: str | None = None) -> tuple[str, ...]:
    """The names of the forms that a study can have, or that a preset of it has."""
    studied = ((name, form.study) for name, form in FORMS.items())
    return tuple(name for name, s in studied if s and (preset is None or preset in s.presets))


def pairs(penalty: str) -> list[tuple[str, str]]:
    """The forms to hold against each other, of those that take this penalty."""
    taking = {name: form for name, form in FORMS.items() if penalty in form.penalties}
    return [
        (other, name) for name, f in taking.items() for other in f.contrasted if other in taking
    ]


def trained(form: Form) -> Form:
    """The form that the heat map of this one trains."""
    return FORMS[form.studied.trained_as or form.name]

"""A model under a mask: the runs that prune, export and measure it."""

from dataclasses import dataclass

from sparsekd.catalog.stage_parameters import ExportParams, MaskParams, MeasureParams
from sparsekd.runs import masks, store
from sparsekd.runs.records import Recipe, Run
from sparsekd.studies import recipes
from sparsekd.units.masking import Mask


@dataclass(frozen=True, eq=False)
class MaskedModel:
    """A stored model, and the mask that is applied to it first, if any."""

    task: str
    model: str
    mask: Mask | None = None

    @property
    def mask_reference(self) -> str:
        """Return the mask's name in recipes; empty without one."""
        return masks.reference(self.mask) if self.mask is not None else ""

    def same_as(self, other: "MaskedModel") -> bool:
        """Return whether both are the same model with the same units removed."""
        return (self.model, self.mask_reference) == (other.model, other.mask_reference)


def of_run(run: Run, mask: Mask | None = None) -> MaskedModel:
    """Return the model that a run made; of a scoring run, the teacher that it scored."""
    model = run.recipe.inputs["teacher"] if run.recipe.stage == "score" else run.id
    return MaskedModel(run.recipe.task, model, mask)


def prune_recipe(scores: Run, params: MaskParams) -> Recipe:
    """Return the pruning of the scored teacher, with the trial student's seed as in a study."""
    inputs = scores.recipe.inputs
    student = store.get_many([inputs["student"]]).get(inputs["student"])
    return recipes.prune(
        scores.recipe.task,
        inputs["teacher"],
        scores.id,
        params,
        scores.recipe.params["max_length"],
        student.recipe.seed if student else 0,
    )


def export_recipe(model: MaskedModel, export_format: str) -> Recipe:
    """Return the export of a model in one of the formats."""
    params = ExportParams.of({"format": export_format})
    return recipes.export(model.task, model.model, params, model.mask_reference)


def measure_recipe(model: MaskedModel, device: str, repeat: int) -> Recipe:
    """Return a measurement of speed and size at the usual sizes, numbered from 0."""
    mask = model.mask_reference
    return recipes.measure(model.task, model.model, MeasureParams(), device, mask, repeat)


def measurements(model: MaskedModel, device: str) -> list[Run]:
    """Return the runs that measure this model at the usual sizes, by their number.

    They are numbered without gaps: the first number without a run ends them.
    """
    found: list[Run] = []
    while True:
        name = measure_recipe(model, device, len(found)).run_id
        run = store.get_many([name]).get(name)
        if run is None:
            return found
        found.append(run)

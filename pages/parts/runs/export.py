"""A model taken elsewhere: its exports, its measured speed, and a saved mask on another model."""

import json
import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from pages.parts.runs import downloads
from pages.parts.scores_and_mask import score_source
from pages.parts.shell import frame
from sparsekd.catalog.stage_parameters import ExportParams, MeasureParams
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import jobs, masks, measurements, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies import recipes
from sparsekd.units.masking import Mask
from sparsekd.units.shape import ModelShape, check_fit

FORMATS = {
    "pruned": (
        "Pruned",
        "The smaller weights, with a ten-line loader that needs transformers only.",
    ),
    "gated": (
        "Gated",
        "Full size, zeros where units were removed: plain `from_pretrained` loads it. Not faster.",
    ),
    "onnx": ("ONNX", "The smaller model as a graph for onnxruntime, batch and length free."),
}
SHOWN = {
    "variant": "Model",
    "batch": "Batch",
    "tokens": "Tokens",
    "milliseconds": st.column_config.NumberColumn(
        "ms", format="%.2f", help="Median time of one forward pass."
    ),
    "low": st.column_config.NumberColumn(
        "from", format="%.2f", help="Half of the passes took between this"
    ),
    "high": st.column_config.NumberColumn("to", format="%.2f", help="and this many ms."),
    "examples_per_second": st.column_config.NumberColumn("Texts/s", format="%.0f"),
    "speedup": st.column_config.NumberColumn(
        "Speed-up", format="%.2f ×", help="Against the first model, round by round; the median."
    ),
    "flops": st.column_config.NumberColumn(
        "FLOPs", format="compact", help="Of one text, counted: matrix products, 2 per multiply-add."
    ),
    "parameters": st.column_config.NumberColumn("Parameters", format="compact"),
    "bytes": st.column_config.NumberColumn("File", format="bytes", help="The weights as written."),
}


@dataclass(frozen=True, eq=False)
class Wanted:
    """A stored model, and the mask that is applied to it first, if any."""

    task: str
    model: str
    mask: Mask | None
    key: str

    @property
    def named(self) -> str:
        """The mask as recipes name it; empty without one."""
        return masks.reference(self.mask) if self.mask is not None else ""


def show(run: Run, mask: Mask | None = None) -> Wanted:
    """Exports and measured speed of a run's model; of a scoring run's teacher under `mask`."""
    model = run.recipe.inputs["teacher"] if run.recipe.stage == "score" else run.id
    smaller = mask is not None or run.recipe.stage == "prune"
    st.subheader(f"Export the {'pruned ' if smaller else ''}model", anchor=False, divider="gray")
    wanted = Wanted(run.recipe.task, model, mask, f"export.{run.id}")
    body(wanted)
    return wanted


def body(wanted: Wanted) -> None:
    """The three forms, then what the model costs on this device."""
    for place, name in zip(st.columns(3, gap="medium"), FORMATS, strict=True):
        with place:
            _form(wanted, name)
    st.code(command(wanted), language="bash", wrap_lines=True)
    _speed(wanted)


def command(wanted: Wanted) -> str:
    """The command line that makes an export."""
    model = wanted.model
    if model.startswith("folder:"):
        model = model.removeprefix("folder:").rpartition("#")[0]
    words = ["python -m sparsekd export --model", shlex.quote(model.removeprefix("hub:"))]
    words += ["--mask mask.npz"] if wanted.mask is not None else []
    return " ".join([*words, "--format pruned --out exported"])


# --- exports ---------------------------------------------------------------------------------


def _form(wanted: Wanted, name: str) -> None:
    title, words = FORMATS[name]
    st.markdown(f"**{title}**")
    st.caption(words)
    recipe = recipes.export(wanted.task, wanted.model, ExportParams.of({"format": name}),
                          wanted.named)  # fmt: skip
    run = store.several([recipe.run_id]).get(recipe.run_id)
    if run is None:
        if st.button("Make it", icon=":material/package_2:", key=f"{wanted.key}.{name}"):
            _submit(recipe, wanted, frame.device())
    elif run.state is State.DONE:
        _made(run, f"{wanted.key}.{name}")
    else:
        score_source.under_way(run)


def _made(run: Run, key: str) -> None:
    """A finished export: the proof, the files, the folder."""
    facts, folder = run.outcome.facts, run.folder / "export"
    if not folder.is_dir():
        raise NotFound(
            f"The files of export {run.id} are gone.", "Delete that run on the Runs page, then "
            "make the export again.",
        )  # fmt: skip
    proof = facts["checked"]
    st.caption(
        f":material/verified: Opened and compared: on {proof['texts']} texts its logits differ by "
        f"at most {proof['largest_difference']:.1e}."
    )
    if facts["bytes"] <= downloads.ZIP_LIMIT:
        st.download_button(
            f"Download ({facts['bytes'] / 1e6:,.1f} MB)", partial(downloads.zipped, folder),
            f"{run.recipe.variant}-{run.id}.zip", "application/zip", icon=":material/download:",
            on_click="ignore", key=f"{key}.zip",
        )  # fmt: skip
    st.code(str(folder), language=None, wrap_lines=True)


def _submit(recipe: Recipe, wanted: Wanted, device: str) -> None:
    if wanted.mask is not None:
        masks.keep(wanted.mask)
    jobs.submit([recipe], device)
    st.rerun()


# --- speed -----------------------------------------------------------------------------------


def _speed(wanted: Wanted) -> None:
    st.markdown(
        "**Measured speed and size**",
        help="Dense, masked (full size with zeros) and pruned take turns on the same random texts, "
        "so that a busy machine slows them alike.",
    )
    device = _device()
    runs = _measurements(wanted, device)
    done = next((run for run in reversed(runs) if run.state is State.DONE), None)
    for run in runs:
        if run.state is not State.DONE:
            score_source.under_way(run)
    if done is not None:
        _table(done, wanted.key)
    waiting = any(run.state is not State.DONE for run in runs)
    if not waiting and st.button(
        "Measure again" if runs else f"Measure on {device}",
        icon=":material/speed:", key=f"{wanted.key}.measure",
    ):  # fmt: skip
        _submit(_measuring(wanted, device, len(runs)), wanted, device)


def _device() -> str:
    """The device that a measurement would name: the chosen one, or the fastest."""
    chosen = frame.device()
    return jobs.devices(look=False)[0].name if chosen == "auto" else chosen


def _measuring(wanted: Wanted, device: str, repeat: int) -> Recipe:
    return recipes.measure(wanted.task, wanted.model, MeasureParams(), device, wanted.named, repeat)


def _measurements(wanted: Wanted, device: str) -> list[Run]:
    """The measurements of this model and mask at the usual sizes, by their number.

    They are asked for one after another, so the first number without a run ends them.
    """
    found: list[Run] = []
    while True:
        name = _measuring(wanted, device, len(found)).run_id
        run = store.several([name]).get(name)
        if run is None:
            return found
        found.append(run)


def _table(run: Run, key: str) -> None:
    rows, facts = measurements.table(run), run.outcome.facts
    for words in measurements.sentences(rows):
        st.markdown(f"- {frame.plain(words)}")
    st.dataframe(
        rows[list(SHOWN)], hide_index=True, width="stretch", column_config=SHOWN,
        key=f"{key}.speed.{run.id}",
    )  # fmt: skip
    st.caption(
        frame.plain(
            f"{facts['device_words']}, {frame.counted(facts['threads'], 'thread')}, torch "
            f"{facts['torch']}, {facts['rounds']} rounds; load of the machine before: "
            f"{facts['load']:.1f}."
        )
    )
    frame.download(rows, f"speed-{run.id}", f"{key}.speed.csv")


# --- a saved mask ----------------------------------------------------------------------------


def apply_saved(above: Wanted) -> None:
    """A mask.npz from elsewhere, applied to a model of the same shape.

    Args:
        above: What the page shows already, which is not shown twice.
    """
    st.subheader("Apply a saved mask", anchor=False, divider="gray")
    brought = st.file_uploader(
        "mask.npz", "npz", key="export.upload", max_upload_size=32,
        help="From this page or from `python -m sparsekd mask`: another teacher of the same "
        "shape, or another seed, then gets the same units removed.",
    )  # fmt: skip
    if brought is None:
        return
    with frame.errors_in_words():
        mask = masks.uploaded(brought.getvalue())
        runs = {run.id: run for stage in ("finetune", "distil")
                for run in store.runs(stage, [State.DONE])}  # fmt: skip
        if not runs:
            raise NotFound("There is no finished model yet.", "Fine-tune a teacher first.")
        title = frame.titles()
        chosen = st.selectbox(
            "Model", list(runs), key="export.upload.model",
            format_func=lambda name: f"{title(runs[name].recipe)} · {runs[name].recipe.task} · "
            f"{name}",
        )  # fmt: skip
        check_fit(_shape(runs[chosen]), mask.heads.shape, mask.neurons.shape)
        st.caption(
            f"{int(mask.heads.sum())} of {mask.heads.size} heads and {int(mask.neurons.sum()):,} "
            f"of {mask.neurons.size:,} neurons stay."
        )
        wanted = Wanted(runs[chosen].recipe.task, chosen, mask, f"export.upload.{chosen}")
        if (wanted.model, wanted.named) == (above.model, above.named):
            st.info("This is the model and the mask above.", icon=":material/info:")
        else:
            body(wanted)


def _shape(run: Run) -> ModelShape:
    path: Path = run.folder / "shape.json"
    try:
        return ModelShape.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"The sizes of the model of run {run.id} are missing or damaged.",
            "Delete that run and make the model again.",
        ) from error

"""Export of a model: its formats, its measured speed, and a saved mask on another model."""

from dataclasses import dataclass
from functools import partial

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from pages.parts.runs import unfinished
from pages.parts.shell import frame
from sparsekd.errors import NotFound
from sparsekd.runs import downloads, jobs, masks, measurements, shapes, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies.masked_teacher import mask_commands, masked_model
from sparsekd.studies.masked_teacher.masked_model import MaskedModel
from sparsekd.system.wording import counted
from sparsekd.units.masking import Mask
from sparsekd.units.shape import check_fit

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
COLUMNS: dict[str, str | ColumnConfig] = {
    "variant": "Model",
    "batch": "Batch",
    "tokens": "Tokens",
    "milliseconds": st.column_config.NumberColumn(
        "ms", format="%.2f", help="Median time of one forward pass."
    ),
    "low": st.column_config.NumberColumn("from", format="%.2f", help="Lower quartile, ms."),
    "high": st.column_config.NumberColumn("to", format="%.2f", help="Upper quartile, ms."),
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
class Section:
    """A model to export, what the keys of its widgets begin with, and the mask in commands."""

    model: MaskedModel
    key: str
    mask_name: str = mask_commands.MASK


def draw_export(
    run: Run, mask: Mask | None = None, mask_name: str = mask_commands.MASK
) -> MaskedModel:
    """Draw exports and measured speed of a run's model; of a scored teacher under `mask`.

    Args:
        mask_name: The mask in commands: a file, or the id of a pruning run.
    """
    smaller = mask is not None or run.recipe.stage == "prune"
    st.subheader(f"Export the {'pruned ' if smaller else ''}model", anchor=False, divider="gray")
    model = masked_model.of_run(run, mask)
    _draw_section(Section(model, f"export.{run.id}", mask_name))
    return model


def _draw_section(section: Section) -> None:
    """Draw the three formats, then what the model costs on this device."""
    for place, name in zip(st.columns(3, gap="medium"), FORMATS, strict=True):
        with place:
            _draw_format(section, name)
    command = mask_commands.export_command(section.model, section.mask_name)
    st.code(command, language="bash", wrap_lines=True)
    _draw_speed(section)


# --- exports ---------------------------------------------------------------------------------


def _draw_format(section: Section, name: str) -> None:
    title, words = FORMATS[name]
    st.markdown(f"**{title}**")
    st.caption(words)
    recipe = masked_model.export_recipe(section.model, name)
    run = store.get_many([recipe.run_id]).get(recipe.run_id)
    if run is None:
        if st.button("Export", icon=":material/package_2:", key=f"{section.key}.{name}"):
            _submit(recipe, section.model)
    elif run.state is State.DONE:
        _draw_finished(run, f"{section.key}.{name}")
    else:
        unfinished.draw_unfinished(run)


def _draw_finished(run: Run, key: str) -> None:
    """Draw a finished export: the check of its logits, the files, the folder."""
    facts, folder = run.outcome.facts, run.folder / "export"
    if not folder.is_dir():
        raise NotFound(
            f"The files of export {run.id} are gone.",
            "Delete that run on the Runs page, then make the export again.",
        )
    proof = facts["checked"]
    st.caption(
        f":material/verified: Loaded and compared: on {proof['texts']} texts its logits differ by "
        f"at most {proof['largest_difference']:.1e}."
    )
    if facts["bytes"] <= downloads.ZIP_LIMIT:
        st.download_button(
            f"Download ({facts['bytes'] / 1e6:,.1f} MB)",
            partial(downloads.zipped, folder),
            f"{run.recipe.variant}-{run.id}.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
            key=f"{key}.zip",
        )
    st.code(str(folder), language=None, wrap_lines=True)


def _submit(recipe: Recipe, model: MaskedModel, device: str = "") -> None:
    if model.mask is not None:
        masks.save(model.mask)
    frame.submit([recipe], device)
    st.rerun()


# --- speed -----------------------------------------------------------------------------------


def _draw_speed(section: Section) -> None:
    st.markdown(
        "**Measured speed and size**",
        help="Dense, masked (full size with zeros) and pruned models take turns on the same random "
        "texts, so that a busy machine slows them alike.",
    )
    device = _measured_device()
    runs = masked_model.measurements(section.model, device)
    done = next((run for run in reversed(runs) if run.state is State.DONE), None)
    waiting = [run for run in runs if run.state is not State.DONE]
    for run in waiting:
        unfinished.draw_unfinished(run)
    if done is not None:
        _draw_measurement(done, section.key)
    label = "Measure again" if runs else f"Measure on {device}"
    if not waiting and st.button(label, icon=":material/speed:", key=f"{section.key}.measure"):
        recipe = masked_model.measure_recipe(section.model, device, len(runs))
        _submit(recipe, section.model, device)


def _measured_device() -> str:
    """Return the device that a measurement names: the chosen one, or the fastest."""
    chosen = frame.chosen_device()
    return jobs.devices(detect=False)[0].name if chosen == "auto" else chosen


def _draw_measurement(run: Run, key: str) -> None:
    rows, facts = measurements.table(run), run.outcome.facts
    for words in measurements.sentences(rows):
        st.markdown(f"- {frame.plain(words)}")
    st.dataframe(
        rows[list(COLUMNS)],
        hide_index=True,
        width="stretch",
        column_config=COLUMNS,
        key=f"{key}.speed.{run.id}",
    )
    st.caption(
        frame.plain(
            f"{facts['device_words']}, {counted(facts['threads'], 'thread')}, torch "
            f"{facts['torch']}, {facts['rounds']} rounds; load of the machine before: "
            f"{facts['load']:.1f}."
        )
    )
    frame.draw_download(rows, f"speed-{run.id}", f"{key}.speed.csv")


# --- a saved mask ----------------------------------------------------------------------------


def draw_saved_mask(above: MaskedModel) -> None:
    """Draw the export of another model under an uploaded mask.

    Args:
        above: The model and mask that the page shows already, which are not drawn twice.
    """
    st.subheader("Apply a saved mask", anchor=False, divider="gray")
    file = st.file_uploader(
        "mask.npz",
        "npz",
        key="export.upload",
        max_upload_size=32,
        help="From this page or from `python -m sparsekd mask`: the same units are removed from "
        "another teacher of the same shape, or from another seed.",
    )
    if file is None:
        return
    with frame.error_boundary():
        mask = masks.from_upload(file.getvalue())
        run = _choose_model()
        check_fit(shapes.of_run(run), mask.heads.shape, mask.neurons.shape)
        st.caption(
            f"{int(mask.heads.sum())} of {mask.heads.size} heads and {int(mask.neurons.sum()):,} "
            f"of {mask.neurons.size:,} neurons are kept."
        )
        model = MaskedModel(run.recipe.task, run.id, mask)
        if model.same_as(above):
            st.info("This is the model and the mask above.", icon=":material/info:")
        else:
            _draw_section(Section(model, f"export.upload.{run.id}"))


def _choose_model() -> Run:
    """Choose a model that was fine-tuned or distilled here.

    Raises:
        NotFound: there is none.
    """
    found = [run for stage in ("finetune", "distil") for run in store.runs(stage, [State.DONE])]
    if not found:
        raise NotFound("There is no finished model yet.", "Fine-tune a teacher first.")
    runs, title = {run.id: run for run in found}, frame.run_titles()

    def label(name: str) -> str:
        return f"{title(runs[name].recipe)} · {runs[name].recipe.task} · {name}"

    return runs[st.selectbox("Model", list(runs), key="export.upload.model", format_func=label)]

"""Downloads of the Mask page: the mask, the pruned teacher, and the commands that make them."""

from functools import partial

import streamlit as st

from pages.parts.runs import unfinished
from pages.parts.shell import frame
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs import downloads, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies.masked_teacher import mask_commands, masked_model
from sparsekd.system.files import folder_size
from sparsekd.units.masking import Mask


def draw_downloads(run: Run, params: MaskParams, mask: Mask) -> None:
    """Draw the mask as a file, the pruned teacher as a checkpoint, and the commands of both."""
    st.subheader("The mask and the pruned teacher", anchor=False, divider="gray")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**The mask**: booleans `heads` (L, H) and `neurons` (L, F), true is kept.")
        st.download_button(
            "Download mask.npz",
            partial(downloads.mask_file, mask),
            "mask.npz",
            "application/octet-stream",
            icon=":material/download:",
            on_click="ignore",
            key="mask.npz",
        )
        st.code(mask_commands.mask_command(run, params), language="bash", wrap_lines=True)
    with right:
        st.markdown("**The pruned teacher**: a run of its own, evaluated and able to teach.")
        recipe = masked_model.prune_recipe(run, params)
        _draw_pruned_teacher(recipe)
        unfinished.draw_unfinished_of_scores(run, "prune")
        command = mask_commands.prune_command(run, mask_commands.mask_name(recipe))
        st.code(command, language="bash", wrap_lines=True)


def _draw_pruned_teacher(recipe: Recipe) -> None:
    """Draw the pruned teacher's files where they exist, otherwise the button that makes them."""
    run = store.get_many([recipe.run_id]).get(recipe.run_id)
    if run is None or run.state is not State.DONE:
        busy = run is not None and run.state in (State.QUEUED, State.RUNNING)
        if st.button(
            "Prune the teacher", icon=":material/content_cut:", key="prune", disabled=busy
        ):
            frame.submit([recipe])
            st.rerun()
        return
    model = run.folder / "model"
    size = folder_size(model)
    if size <= downloads.ZIP_LIMIT:
        st.download_button(
            f"Download the model ({size / 1e6:,.1f} MB)",
            partial(downloads.zipped, model),
            f"pruned-{run.id}.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
            key="prune.zip",
        )
    st.caption("Its folder:")
    st.code(str(model), language=None, wrap_lines=True)

"""What one takes away from the Mask page: the mask, the pruned teacher, and the commands."""

import io
import shlex
import zipfile
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from pages.parts.scores_and_mask import score_source
from pages.parts.shell import frame
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs import jobs, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies import recipes
from sparsekd.units.masking import Mask

ZIP_LIMIT = 300 * 2**20  # bytes of a model that a browser gets as one file


def show(run: Run, params: MaskParams, mask: Mask) -> None:
    """The mask as a file, the pruned teacher as a checkpoint, and the commands that make both."""
    st.subheader("The mask and the sparse teacher", anchor=False, divider="gray")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**The mask**: booleans `heads` (L, H) and `neurons` (L, F), true stays.")
        st.download_button(
            "Download mask.npz", partial(npz, mask), "mask.npz", "application/octet-stream",
            icon=":material/download:", on_click="ignore", key="mask.npz",
        )  # fmt: skip
        st.code(mask_command(run, params), language="bash", wrap_lines=True)
    with right:
        st.markdown(
            "**The sparse teacher**: a run of its own, which is evaluated and can teach students."
        )
        checkpoint(prune_recipe(run, params))
        score_source.companions(run, "prune")
        st.code(prune_command(run), language="bash", wrap_lines=True)


def npz(mask: Mask) -> bytes:
    """A mask as the file that other programs read."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mask.npz"
        mask.save(path)
        return path.read_bytes()


def mask_command(run: Run, params: MaskParams) -> str:
    """The command line that writes the same mask."""
    words = ["python -m sparsekd mask", f"--scores {shlex.quote(str(run.folder / 'scores.npz'))}"]
    words += [f"--lam {params.lam:g}", f"--sparsity {params.sparsity:g}"]
    if params.neuron_sparsity is not None:
        words.append(f"--neuron-sparsity {params.neuron_sparsity:g}")
    words += [f"--round-to {params.round_to}", f"--normalise {params.normalise}"]
    return " ".join([*words, "--out mask.npz"])


def prune_command(run: Run) -> str:
    """The command line that prunes the teacher by that mask."""
    teacher = run.recipe.inputs["teacher"]
    if teacher.startswith("folder:"):
        teacher = teacher.removeprefix("folder:").rpartition("#")[0]
    teacher = shlex.quote(teacher.removeprefix("hub:"))
    return f"python -m sparsekd prune --teacher {teacher} --mask mask.npz --out pruned"


def prune_recipe(run: Run, params: MaskParams) -> Recipe:
    """The pruning run of this mask; with the trial student's seed, as a study asks for it."""
    student = store.several([run.recipe.inputs["student"]]).get(run.recipe.inputs["student"])
    return recipes.prune(
        run.recipe.task, run.recipe.inputs["teacher"], run.id, params,
        run.recipe.params["max_length"], student.recipe.seed if student else 0,
    )  # fmt: skip


def checkpoint(recipe: Recipe) -> None:
    """The pruned teacher's files where they exist, otherwise the button that makes them."""
    run = store.several([recipe.run_id]).get(recipe.run_id)
    if run is None or run.state is not State.DONE:
        if st.button(
            "Make the sparse teacher", icon=":material/content_cut:", key="prune",
            disabled=run is not None and run.state in (State.QUEUED, State.RUNNING),
        ):  # fmt: skip
            jobs.submit([recipe], frame.device())
            st.rerun()
        return
    model = run.folder / "model"
    size = sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
    if size <= ZIP_LIMIT:
        st.download_button(
            f"Download the model ({size / 1e6:,.1f} MB)", partial(zipped, model),
            f"pruned-{run.id}.zip", "application/zip", icon=":material/download:",
            on_click="ignore", key="prune.zip",
        )  # fmt: skip
    st.caption("It lies in this folder:")
    st.code(str(model), language=None, wrap_lines=True)


def zipped(folder: Path) -> bytes:
    """A folder's files as one zip; weights do not compress, so they are stored."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))
    return content.getvalue()

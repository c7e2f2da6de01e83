"""Exports and measured speed on the Mask and Distil pages, and a mask that somebody brings."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.runs import export
from sparsekd.catalog.stage_parameters import ExportParams, MaskParams, MeasureParams
from sparsekd.runs import masks, measurements, store
from sparsekd.runs.records import Outcome, Plan, Recipe, Run, State
from sparsekd.studies import recipes
from sparsekd.units import masking
from tests.pages.conftest import has_pad, move_pad, table
from tests.sample_study import HEADS, LAYERS, NEURONS, sample_scores

Open = Callable[..., AppTest]
MASK, DISTIL = "pages/teacher/mask.py", "pages/student/distil.py"


def of(plan: Plan, role: str) -> Run:
    return next(store.get(step.recipe.run_id) for step in plan.steps if step.role == role)


def decided() -> masking.Mask:
    """The mask that the Mask page shows first."""
    return masking.build(sample_scores(), MaskParams())


def ended(recipe: Recipe, facts: dict[str, object]) -> Run:
    run = store.create(recipe)
    run.folder.mkdir(parents=True, exist_ok=True)
    with store.hold_lock(run.id):
        store.start(run.id, "cpu", 1)
        store.finish(run.id, State.DONE, Outcome(facts=facts), 1.0)
    return store.get(run.id)


def exported(task: str, model: str, form: str, mask: str = "") -> Run:
    """What a finished export leaves."""
    recipe = recipes.export(task, model, ExportParams.of({"format": form}), mask)
    facts = {"checked": {"texts": 9, "largest_difference": 3e-7}, "bytes": 2_000_000}
    run = ended(recipe, facts)
    (run.folder / "export").mkdir()
    (run.folder / "export" / "config.json").write_text("{}")
    return run


def measured(task: str, model: str, mask: str = "") -> Run:
    """What a finished measurement leaves: pruned is 1.4 times as fast."""
    facts = {"device_words": "test processor", "threads": 2, "torch": "2.13", "rounds": 15}
    run = ended(recipes.measure(task, model, MeasureParams(), "cpu", mask), facts | {"load": 0.5})
    rows = [
        {
            "variant": name,
            "batch": 1,
            "tokens": 32,
            "milliseconds": 14 / speed,
            "low": 9.0,
            "high": 15.0,
            "examples_per_second": 100.0,
            "speedup": speed,
            "speedup_low": speed,
            "speedup_high": speed,
            "flops": 10**9,
            "parameters": 10**6,
            "bytes": 4 * 10**6,
        }
        for name, speed in (("dense", 1.0), ("masked", 1.0), ("pruned", 1.4))
    ]
    measurements.save(run.folder, pd.DataFrame(rows))
    return run


def words(app: AppTest) -> str:
    return " ".join(element.value for element in [*app.markdown, *app.caption])


@pytest.mark.parametrize("form", list(export.FORMATS))
def test_an_export_of_the_shown_mask_is_asked_for(open_page: Open, study: Plan, form: str) -> None:
    app = open_page(MASK)
    app.button(key=f"export.{of(study, 'scores').id}.{form}").click().run()

    (run,) = store.runs("export")
    assert not app.error
    assert run.recipe.variant == form
    assert run.recipe.inputs["model"] == of(study, "teacher").id
    kept = masks.load(run.recipe.inputs["mask"])
    np.testing.assert_array_equal(kept.heads, decided().heads)
    np.testing.assert_array_equal(kept.neurons, decided().neurons)


def test_a_move_on_the_pad_keeps_no_masks(open_page: Open, study: Plan, home: Path) -> None:
    move_pad(open_page(MASK), lam=0.8)

    assert not (home / "masks").exists()


def test_a_finished_export_shows_its_proof_and_its_folder(open_page: Open, study: Plan) -> None:
    mask = masks.reference(decided())
    run = exported("demo/sentiment", of(study, "teacher").id, "onnx", mask)
    app = open_page(MASK)

    assert "differ by at most 3.0e-07" in words(app)
    assert str(run.folder / "export") in [code.value for code in app.code]
    buttons = {button.key for button in app.button}
    assert f"export.{of(study, 'scores').id}.onnx" not in buttons
    assert f"export.{of(study, 'scores').id}.gated" in buttons


def test_an_export_of_another_mask_is_not_mistaken_for_this_one(
    open_page: Open, study: Plan
) -> None:
    other = masking.build(sample_scores(), MaskParams(sparsity=0.6))
    exported("demo/sentiment", of(study, "teacher").id, "onnx", masks.reference(other))
    app = open_page(MASK)

    assert f"export.{of(study, 'scores').id}.onnx" in {button.key for button in app.button}


def test_an_export_whose_files_were_deleted_is_told(open_page: Open, study: Plan) -> None:
    mask = masks.reference(decided())
    run = exported("demo/sentiment", of(study, "teacher").id, "gated", mask)
    (run.folder / "export" / "config.json").unlink()
    (run.folder / "export").rmdir()
    app = open_page(MASK)

    assert f"The files of export {run.id} are gone" in app.error[0].value
    assert has_pad(app)


def test_speed_is_measured_on_the_chosen_device_and_again(open_page: Open, study: Plan) -> None:
    key = f"export.{of(study, 'scores').id}.measure"
    app = open_page(MASK)
    assert app.button(key=key).label == "Measure on cpu"
    app.button(key=key).click().run()
    (run,) = store.runs("measure")
    assert run.recipe.params["device"] == "cpu"
    assert key not in {button.key for button in app.button}  # it waits

    store.delete(run.id)
    measured("demo/sentiment", of(study, "teacher").id, masks.reference(decided()))
    app = open_page(MASK)
    app.button(key=key).click().run()
    assert sorted(run.recipe.repeat for run in store.runs("measure")) == [0, 1]


def test_the_measured_table_says_where_and_what(open_page: Open, study: Plan) -> None:
    measured("demo/sentiment", of(study, "teacher").id, masks.reference(decided()))
    app = open_page(MASK)

    shown = table(app, "speedup")
    assert shown["variant"].tolist() == ["dense", "masked", "pruned"]
    assert "1.40 × as fast as the dense one" in words(app)
    assert "test processor, 2 threads" in words(app)


def test_a_student_is_exported_without_a_mask(open_page: Open, study: Plan) -> None:
    student = of(study, "student")
    app = open_page(DISTIL, run=student.id, v="1")
    app.button(key=f"export.{student.id}.pruned").click().run()

    (run,) = store.runs("export")
    assert run.recipe.inputs == {"model": student.id}
    assert not app.error


# --- a saved mask ----------------------------------------------------------------------------


def npz(mask: masking.Mask, folder: Path) -> bytes:
    mask.save(folder / "brought.npz")
    return (folder / "brought.npz").read_bytes()


def bring(app: AppTest, content: bytes) -> AppTest:
    app.file_uploader(key="export.upload").upload("mask.npz", content).run()
    return app


def random(shape: tuple[int, int, int]) -> masking.Mask:
    return masking.decide(*masking.random_ranks(shape, seed=3), 0.5, round_to=1)


def test_a_brought_mask_is_applied_to_a_model_of_its_shape(
    open_page: Open, study: Plan, tmp_path: Path
) -> None:
    mask, teacher = random((LAYERS, HEADS, NEURONS)), of(study, "teacher").id
    app = bring(open_page(MASK), npz(mask, tmp_path))
    app.selectbox(key="export.upload.model").set_value(teacher).run()
    app.button(key=f"export.upload.{teacher}.gated").click().run()

    (run,) = store.runs("export")
    assert run.recipe.inputs == {"model": teacher, "mask": masks.reference(mask)}
    np.testing.assert_array_equal(masks.load(run.recipe.inputs["mask"]).heads, mask.heads)


def test_a_mask_of_another_shape_is_refused(open_page: Open, study: Plan, tmp_path: Path) -> None:
    app = open_page(MASK)
    bring(app, npz(random((LAYERS, HEADS, NEURONS + 1)), tmp_path))
    app.selectbox(key="export.upload.model").set_value(of(study, "teacher").id).run()

    assert f"\\({LAYERS}, {NEURONS + 1}\\)" in app.error[0].value
    assert not [button for button in app.button if str(button.key).startswith("export.upload.")]


def test_what_is_no_mask_is_refused_and_the_page_stays(open_page: Open, study: Plan) -> None:
    content = io.BytesIO()
    np.savez(content, heads=np.ones((2, 2)))
    app = bring(open_page(MASK), content.getvalue())

    assert "has no array neurons" in app.error[0].value.replace("\\", "")
    assert has_pad(app)


def test_the_mask_above_is_not_shown_twice(open_page: Open, study: Plan, tmp_path: Path) -> None:
    app = bring(open_page(MASK), npz(decided(), tmp_path))
    app.selectbox(key="export.upload.model").set_value(of(study, "teacher").id).run()

    assert "the model and the mask above" in app.info[-1].value

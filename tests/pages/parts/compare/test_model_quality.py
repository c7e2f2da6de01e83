"""Charts of a model's answers."""

import pytest
from streamlit.testing.v1 import AppTest


def page(classes: int) -> None:
    import numpy as np

    from pages.parts.compare import model_quality

    labels = np.arange(2 * classes) % classes
    answers = (labels + (labels < 3)) % classes  # those of classes 0, 1 and 2 are wrong
    names = tuple(f"class {n}" for n in range(classes))
    model_quality.draw_confusions(np.eye(classes)[answers], labels, names, "q")


@pytest.mark.parametrize(("classes", "heading", "rows"), [(4, "matrix", 16), (60, "Largest", 3)])
def test_of_many_classes_the_largest_confusions_are_drawn(
    classes: int, heading: str, rows: int
) -> None:
    app = AppTest.from_function(page, kwargs={"classes": classes}).run()

    assert not app.exception
    assert heading in app.markdown[0].value
    assert len(app.dataframe[0].value) == rows

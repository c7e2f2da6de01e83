"""The sidebar."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from sparsekd.runs import jobs

Open = Callable[..., AppTest]


def test_the_device_picker_says_what_each_device_is(open_page: Open, home: Path) -> None:
    app = open_page()

    assert [device.name for device in jobs.devices(detect=False)] == ["cpu"]
    assert app.selectbox(key="device").options == ["auto", "cpu: test processor"]
    assert "cpu: test processor; not checked yet: run the check." in [
        each.value.replace("\\", "") for each in app.sidebar.caption
    ]

"""Links, the pad, clicks, dark and narrow screens."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput
from sparsekd.units import masking
from tests.browser.conftest import PATHS, Server, serving, settled
from tests.sample_study import sample_scores

Visit = Callable[..., Any]
NUMBERS = ".pad input"
CELL = """([chart, layer, head]) => {
    const plot = document.querySelectorAll('.js-plotly-plot')[chart];
    const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(head), box.top + yaxis._offset + yaxis.d2p(layer)];
}"""
IN_MAIN = """() =>
    document.querySelector('[data-testid=stMain]').contains(document.activeElement)"""
OVERFLOW = """() => {
    const main = document.querySelector('[data-testid=stMain]');
    return Math.max(main.scrollWidth - main.clientWidth,
                    document.documentElement.scrollWidth - window.innerWidth);
}"""


def test_the_first_request_to_a_fresh_server_may_be_a_link_into_the_sample(
    visit: Visit, tmp_path: Path
) -> None:
    with serving(tmp_path, sample="on") as server:
        page = visit(f"{server.url}/mask?v=1&lam=0.7")
        page.wait_for_selector("h2:has-text('Mask')")
        page.locator(NUMBERS).first.wait_for()

        assert page.get_by_text("Page not found").count() == 0
        assert page.get_by_text("Nothing of it can be changed").count() == 1
        assert page.locator(NUMBERS).first.input_value() == "0.70"


def test_every_page_is_one_click_away_with_nothing_to_show(visit: Visit, empty: Server) -> None:
    page = visit(empty.url)
    links = page.locator("[data-testid=stSidebarNavLink]")
    assert links.count() == len(PATHS)

    for number in range(len(PATHS)):
        name = links.nth(number).inner_text()
        links.nth(number).click()
        page.wait_for_url(re.compile(rf"{empty.url}/{PATHS[number]}(\?|$)"))
        settled(page)
        assert page.locator("h2").count() == 1, name


def kept(lam: float, sparsity: float) -> str:
    """What the pad says of a mask, counted by the package."""
    mask = masking.build(sample_scores(), MaskParams(lam=lam, sparsity=sparsity))
    counts = [f"{int(flags.sum())} of {flags.size} kept" for flags in (mask.heads, mask.neurons)]
    return f"λ {lam:.2f}, sparsity {sparsity:.2f}; Heads {counts[0]}; Neurons {counts[1]}"


def test_the_mask_follows_the_finger_and_the_page_reruns_on_release(
    visit: Visit, filled: Server
) -> None:
    page = visit(f"{filled.url}/mask")
    field = page.locator(".pad .field")
    box = field.bounding_box()
    page.mouse.move(box["x"] + 9, box["y"] + 9)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"], steps=5)
    mask = masking.build(sample_scores(), MaskParams(lam=0.8, sparsity=0.5))
    page.locator(".pad .tiles dd").nth(1).get_by_text(str(int(mask.neurons.sum()))).wait_for()
    assert "lam" not in page.url

    page.mouse.up()
    page.wait_for_url("**/mask?*lam=0.8&sparsity=0.5")
    assert kept(0.8, 0.5) in page.locator(".pad .said").inner_text()


def test_few_tab_stops_lead_through_the_mask_page(visit: Visit, filled: Server) -> None:
    page = visit(f"{filled.url}/mask")
    page.locator(".pad .tiles dd").first.wait_for()
    page.locator("[data-testid=stMain]").focus()
    stops = 0
    page.keyboard.press("Tab")
    while page.evaluate(IN_MAIN):
        stops += 1
        page.keyboard.press("Tab")

    assert 10 < stops <= 30


def test_the_pad_moves_with_the_keyboard_and_stops_where_masks_end(
    visit: Visit, filled: Server
) -> None:
    page = visit(f"{filled.url}/mask")
    page.locator(".pad .field").focus()
    for key in (*["ArrowUp"] * 3, "Shift+ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    page.wait_for_url("**/mask?*lam=0.43&sparsity=0.19")
    assert kept(0.43, 0.19) in page.locator(".pad .said").inner_text()

    page.keyboard.press("End")
    page.wait_for_url("**/mask?*sparsity=0.9*")
    sparsity = float(page.locator(NUMBERS).nth(1).input_value())
    assert kept(0.43, sparsity) in page.locator(".pad .said").inner_text()
    with pytest.raises(BadInput, match="empties"):
        kept(0.43, sparsity + 0.01)


def test_a_head_that_is_clicked_shows_its_card(visit: Visit, filled: Server) -> None:
    page = visit(f"{filled.url}/scores")
    page.wait_for_selector("[data-testid=stPlotlyChart] image")
    assert page.get_by_text("Layer 3, head 2").count() == 0

    page.locator("[data-testid=stPlotlyChart]").nth(1).scroll_into_view_if_needed()
    page.mouse.click(*page.evaluate(CELL, [1, 3, 2]))
    page.get_by_text("Layer 3, head 2", exact=True).wait_for()

    assert "layer=2" in page.url
    assert "index=1" in page.url


def test_a_copied_link_shows_the_same_view_to_another_visitor(visit: Visit, filled: Server) -> None:
    first = visit(f"{filled.url}/mask?v=1&lam=0.9&sparsity=0.5")
    first.locator(".pad .tiles dd").first.wait_for()
    second = visit(first.url)
    second.locator(".pad .tiles dd").first.wait_for()

    values = [box.input_value() for box in second.locator(NUMBERS).all()]
    assert values == ["0.90", "0.50"]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_a_narrow_dark_screen(visit: Visit, filled: Server, path: str) -> None:
    page = visit(f"{filled.url}/{path}", width=390, height=844, scheme="dark")
    page.wait_for_timeout(500)  # charts take their width after the script rests

    assert page.evaluate(OVERFLOW) <= 0
    background = page.evaluate(
        "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    )
    assert max(int(part) for part in background.strip("rgb()").split(",")[:3]) < 64

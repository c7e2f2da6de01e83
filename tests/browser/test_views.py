"""Links, sliders, clicks, dark and narrow screens."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import PATHS, Server, serving, settled

Visit = Callable[..., Any]
SLIDER = "input[type=range]"
PICTURE = """() => [...document.querySelectorAll('[data-testid=stPlotlyChart]')].map(
    chart => [...chart.querySelectorAll('image')].map(
        image => image.getAttribute('href') || image.getAttribute('xlink:href')).join('|'))"""
CELL = """([chart, layer, head]) => {
    const plot = document.querySelectorAll('.js-plotly-plot')[chart];
    const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(head), box.top + yaxis._offset + yaxis.d2p(layer)];
}"""
OVERFLOW = """() => {
    const main = document.querySelector('[data-testid=stMain]');
    return Math.max(main.scrollWidth - main.clientWidth,
                    document.documentElement.scrollWidth - window.innerWidth);
}"""


def test_the_first_request_to_a_fresh_server_may_be_a_deep_link(
    visit: Visit, tmp_path: Path
) -> None:
    with serving(tmp_path) as server:
        page = visit(f"{server.url}/mask?v=1&lam=0.7")
        page.wait_for_selector("h2:has-text('Mask')")

        assert page.get_by_text("Page not found").count() == 0
        assert page.get_by_text("No scores yet").count() == 1


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


def test_lambda_moved_with_the_keyboard_changes_the_mask(visit: Visit, filled: Server) -> None:
    page = visit(f"{filled.url}/mask")
    page.wait_for_selector("[data-testid=stPlotlyChart] image")
    before = page.evaluate(PICTURE)

    page.locator(SLIDER).first.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_url("**/mask?*lam=0.6*")
    page.wait_for_function(
        f"before => ({PICTURE})().every((now, i) => now && now !== before[i])", arg=before
    )

    assert page.locator(SLIDER).first.input_value() == "0.6"


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
    first.locator(SLIDER).nth(1).wait_for()
    second = visit(first.url)
    second.locator(SLIDER).nth(1).wait_for()

    values = [slider.input_value() for slider in second.locator(SLIDER).all()]
    assert values == ["0.9", "0.5"]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_a_narrow_dark_screen(visit: Visit, filled: Server, path: str) -> None:
    page = visit(f"{filled.url}/{path}", width=390, height=844, scheme="dark")
    page.wait_for_timeout(500)  # charts take their width after the script rests

    assert page.evaluate(OVERFLOW) <= 0
    background = page.evaluate(
        "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    )
    assert max(int(part) for part in background.strip("rgb()").split(",")[:3]) < 64

"""The built pages in a real browser: nothing breaks, nothing is fetched, and what is shown is what was recorded."""

import os
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from omicsbench.leaderboard.build import pages as rendered
from omicsbench.leaderboard.build import write
from omicsbench.leaderboard.figures import rounded
from omicsbench.leaderboard.report import write_report
from omicsbench.leaderboard.speed_page import write_page

WIDTHS = (1400, 390)
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a] = parse(getComputedStyle(at).backgroundColor);
      if (a === undefined || a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest("svg, script, .plot") || !element.checkVisibility()) continue;
    if (![...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(element.outerHTML.slice(0, 120));
  }
  return poor;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Headless Chromium. Where there is none the tests are skipped; on CI they fail."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no chromium")
        pytest.skip("no chromium; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(lab, make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built site, a report and a page of speed, in one folder."""
    out = tmp_path_factory.mktemp("leaderboards")
    speed = [make.speed("derivative-ml", 1.0, {1: 1.0, 10: None}), make.speed("lab-drift", 0.01, {1: 0.01, 10: 0.02})]
    write(rendered(lab.load(), lab.known, lab.shown, speed), out)
    write_report(lab.load(), lab.known, out / "report" / "report.html", lab.splits)
    write_page(speed, "derivative-ml", out / "report" / "speed.html")
    return out


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


class Watched:
    """A page and all that went wrong on it."""

    def __init__(self, browser, width: int) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", self._request)

    def _request(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(f"request: {request.url}")

    def open(self, path: Path):
        self.page.goto(path.as_uri())
        return self.page

    def draw_all(self) -> None:
        """Draw every plot, as before printing."""
        self.page.evaluate("dispatchEvent(new Event('beforeprint'))")


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_loads_draws_and_fits(browser, site: Path, width: int) -> None:
    # Overview, protocols, speed; tasks; models; two beside the site.
    assert len(pages(site)) == 3 + 2 + 6 + 2
    for path in pages(site):
        watched = Watched(browser, width)
        page = watched.open(path)
        watched.draw_all()
        page.wait_for_function("[...document.querySelectorAll('.plot')].every((p) => p.querySelector('svg'))")
        assert watched.wrong == [], path.name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        for plot in page.query_selector_all(".plot"):
            assert plot.get_attribute("role") == "img"
            assert len(plot.get_attribute("aria-label")) > 20
        assert page.evaluate(CONTRAST) == [], path.name
        page.close()


def test_pages_print_with_every_plot(browser, site: Path) -> None:
    watched = Watched(browser, 1400)
    page = watched.open(site / "report" / "report.html")
    assert page.evaluate("[...document.querySelectorAll('.plot')].some((p) => !p.dataset.drawn)")
    assert page.pdf().startswith(b"%PDF")
    assert page.evaluate("[...document.querySelectorAll('.plot')].every((p) => p.dataset.drawn)")
    assert watched.wrong == []
    page.close()


def test_sorting_and_filtering_change_the_rows(browser, site: Path) -> None:
    page = Watched(browser, 1400).open(site / "tasks" / "closed.html")
    table = page.locator("#closed-measured")
    models = table.locator("tbody tr:visible td:nth-child(2)")
    before = models.all_inner_texts()
    assert len(before) == 6
    heading = table.locator("thead th", has_text="model")
    heading.click()
    page.wait_for_function("document.querySelector('#closed-measured th[aria-sort]')")
    page.wait_for_timeout(50)
    assert models.all_inner_texts() == sorted(before) != before
    heading.press("Enter")
    page.wait_for_timeout(50)
    assert models.all_inner_texts() == sorted(before, reverse=True)
    page.locator("input[data-filter=closed-measured]").fill("lab- provisional")
    assert set(models.all_inner_texts()) == {"lab-drift", "lab-sinking", "lab-broken"}
    assert page.locator("[data-count=closed-measured]").inner_text() == "3 of 6 rows"
    page.close()


def test_failures_sort_last_by_skill_and_unknown_numbers_too(browser, site: Path) -> None:
    page = Watched(browser, 1400).open(site / "tasks" / "closed.html")
    table = page.locator("#closed-measured")
    for name in ("NRMSE", "latency"):
        table.locator("thead th", has_text=re.compile(f"^{name}$")).click()
        page.wait_for_timeout(50)
        assert table.locator("tbody tr td:nth-child(2)").all_inner_texts()[-1] == "lab-broken"
    page.close()


def test_a_plot_shows_the_values_of_its_record(browser, lab, site: Path) -> None:
    record = next(
        r
        for r in lab.load()
        if (r.cell.task, r.cell.protocol, r.cell.fold, r.cell.model, r.cell.seed)
        == ("closed", "measured", "S2", "lab-drift", 1)
    )
    prediction = record.prediction
    wanted = rounded(prediction.x[0, :, 0])
    watched = Watched(browser, 1400)
    page = watched.open(site / "tasks" / "closed.html")
    watched.draw_all()
    found = page.evaluate(
        """() => [...document.querySelectorAll(".plot")].filter((p) => p.ariaLabel.startsWith("A of S2 over time"))
            .flatMap((p) => p.data).filter((t) => t.name === "lab-drift, seed 1").map((t) => [t.x, t.y])"""
    )
    assert [prediction.t.tolist(), wanted] in found
    page.close()


def test_the_plot_of_speed_shows_the_values_of_its_records(browser, site: Path) -> None:
    watched = Watched(browser, 1400)
    page = watched.open(site / "index.html")
    page.locator("nav a", has_text="Speed").click()
    page.wait_for_url("**/speed.html")
    watched.draw_all()
    page.wait_for_selector(".plot svg")
    drawn = page.evaluate("[...document.querySelector('.plot').data].map((t) => [t.name, t.x, t.y])")
    assert drawn == [["lab-drift", [1, 10], [0.01, 0.02]], ["derivative-ml", [1], [1]]]
    row = page.locator("tr", has_text="lab-drift").first.inner_text()
    assert "10 ms" in row
    assert "100" in row
    assert watched.wrong == []
    page.close()


def test_a_legend_button_hides_a_model_everywhere(browser, site: Path) -> None:
    watched = Watched(browser, 1400)
    page = watched.open(site / "tasks" / "open.html")
    button = page.locator(".chip", has_text="lab-drift").first
    button.click()
    watched.draw_all()
    shown = """() => [...document.querySelectorAll(".plot")].flatMap((p) => p.data)
        .filter((t) => t.meta === "lab-drift").map((t) => t.visible)"""
    assert set(page.evaluate(shown)) == {False}
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert set(page.evaluate(shown)) == {True}
    assert watched.wrong == []
    page.close()


def test_a_point_says_its_value_and_unit(browser, site: Path) -> None:
    watched = Watched(browser, 1400)
    page = watched.open(site / "report" / "report.html")
    plot = page.locator(".plot.panel").first
    plot.scroll_into_view_if_needed()
    plot.locator(".scatterlayer .points path").first.wait_for()
    hover = "(p) => Plotly.Fx.hover(p, [{curveNumber: p.data.length - 1, pointNumber: 1}])"
    page.evaluate(hover, plot.element_handle())
    assert plot.locator(".hoverlayer").text_content() == "measured4 h: 2 mM"
    page.close()


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src") and value and not value.startswith("data:"):
                self.links.append(value)
            if name == "id" and value:
                assert value not in self.anchors, f"id {value} twice"
                self.anchors.add(value)


def parse(path: Path) -> Links:
    links = Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


def test_no_link_is_broken(site: Path) -> None:
    parsed = {path.resolve(): parse(path) for path in pages(site)}
    followed = 0
    for path, links in parsed.items():
        for link in links.links:
            assert not link.startswith("http"), link
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.is_file(), f"{path.name}: {link}"
            assert not anchor or anchor in parsed[target].anchors, f"{path.name}: {link}"
            followed += 1
    assert followed > 50

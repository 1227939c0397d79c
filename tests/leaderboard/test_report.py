"""The report a run leaves behind."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from omicsbench.leaderboard.figures import panels, rounded
from omicsbench.leaderboard.report import write_report
from omicsbench.results.summary import groups
from omicsbench.results.truth import no_truth


@pytest.fixture(scope="module")
def html(lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = write_report(lab.load(), lab.known, tmp_path_factory.mktemp("report") / "report.html", lab.splits)
    assert (out.parent / "plotly-basic.min.js").stat().st_size > 1_000_000
    return out.read_text(encoding="utf-8")


def test_it_needs_nothing_from_a_network(html: str) -> None:
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", html)
    assert re.findall(r'<script src="([^"]+)"', html) == ["plotly-basic.min.js"]


def test_it_names_what_was_run_and_what_failed(html: str) -> None:
    assert "lab-broken, lab-drift, lab-sinking" in html
    assert "ValueError: this model &lt;b&gt;never&lt;/b&gt; fits" in html
    assert "<b>never</b>" not in html


def test_verdicts_tell_right_from_wrong(html: str) -> None:
    assert 'class="verdict shape"' in html
    assert 'class="verdict none"' in html
    assert "100 %&nbsp;&lt;&nbsp;0" in html or "%&nbsp;&lt;&nbsp;0" in html


def test_a_plot_shows_its_record_and_the_measured_points(lab, html: str) -> None:
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', html, re.DOTALL)[1])
    group = next(g for g in groups(lab.load()) if (g.task, g.protocol) == ("closed", "measured"))
    (panel, *_), *_ = panels(group, "S2", {"A": "mM"}, lab.splits)
    assert panel.figure in figures
    traces = {trace["name"]: trace for trace in panel.figure["data"]}
    record = next(r for e in group.entries for r in e.records if (e.model, r.cell.fold) == ("lab-drift", "S2"))
    prediction = record.prediction
    line = traces[f"lab-drift, seed {record.cell.seed}"]
    assert line["x"] == prediction.t.tolist() == [0.0, 8.0, 16.0, 24.0]
    assert line["y"][0] == 1.1
    assert line["y"] == rounded(prediction.x[0, :, 0])
    assert traces["measured"]["x"] == [0.0, 8.0, 24.0]
    assert traces["measured"]["y"] == [1.1, 3.5, 3.0]


def test_below_zero_is_marked(lab) -> None:
    group = next(g for g in groups(lab.load()) if (g.task, g.protocol) == ("closed", "measured"))
    (_, product), *_ = panels(group, "S2", {}, lab.splits)
    assert product.figure["layout"]["shapes"][0]["y1"] == 0
    assert any("lab-sinking is below zero at 100 %" in note for note in product.notes)


def test_without_data_there_are_predictions_and_no_truth(lab) -> None:
    for group in groups(lab.load()):
        for fold in group.folds:
            for strain in panels(group, fold, {}, no_truth):
                for panel in strain:
                    assert not {t["name"] for t in panel.figure["data"]} & {"measured", "truth", "interpolated"}


def test_what_leaves_the_plot_is_said(lab) -> None:
    group = next(g for g in groups(lab.load()) if (g.task, g.protocol) == ("closed", "measured"))
    (_, product), *_ = panels(group, "S1", {"P": "g/L"}, lab.splits)
    low, high = product.figure["layout"]["yaxis"]["range"]
    shown = [y for t in product.figure["data"] for y in t["y"] if y is not None and t["meta"] == "lab-drift"]
    assert low < 0 < high
    assert (max(shown) > high) == any("lab-drift leaves the plot, up to" in note for note in product.notes)


def test_no_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one record"):
        write_report([], {}, tmp_path / "report.html")


def test_a_second_report_replaces_the_first(lab, tmp_path: Path) -> None:
    records = lab.load()
    out = write_report(records, lab.known, tmp_path / "report.html")
    before = out.read_text(encoding="utf-8")
    write_report(records[:3], lab.known, out)
    assert out.read_text(encoding="utf-8") != before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plotly-basic.min.js", "report.html"]


def test_rounding_keeps_five_digits_and_holes() -> None:
    assert rounded(np.array([1.23456789, np.nan, 123456.7, 0.0])) == [1.2346, None, 123460.0, 0.0]


def test_the_command(lab, call, tmp_path: Path) -> None:
    from omicsbench.cli.report import command

    result = call(command, lab.records, "--out", tmp_path / "r.html", *lab.options)
    assert (result.code, result.text.strip()) == (0, str(tmp_path / "r.html"))
    assert "measured" in (tmp_path / "r.html").read_text(encoding="utf-8")

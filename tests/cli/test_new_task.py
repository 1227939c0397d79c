"""``omicsbench new-task``: what it guesses, what it leaves open, and that the result loads and runs."""

import shutil
import tomllib

import pytest

from omicsbench.data import locate, read_series
from omicsbench.tasks import load_task

CSV = """\
Construct,Time (h),AtoB,limonene synthase,X1,X2,OD600,Mevalonate (mM),Acetyl-CoA,Limonene [g/L],remark,pyruvate
base,0,100,9e3,5000,0.2,0.1,0.1,0.5,0,,
base,6,200,8e3,6000,0.3,0.5,0.4,,0.1,late,1.0
base,30,300,7e3,7000,0.4,2.0,0.9,0.2,0.5,,1.0
high,0,110,9e4,5100,0.2,0.1,0.2,0.4,0,,1.0
high,12,400,8e4,6100,0.1,0.9,1.4,0.6,0.7,,2.0
"""


@pytest.fixture
def made(cli, tmp_path):
    """``made(text)``: the outcome and the folder of a task from this CSV."""

    def make(text: str = CSV, name: str = "mine"):
        (tmp_path / "my data.csv").write_text(text)
        return cli(
            "new-task", name, "--csv", tmp_path / "my data.csv", "--dir", tmp_path / "tasks"
        ), tmp_path / "tasks" / name

    return make


def test_the_task_loads_with_what_was_sure(made):
    ran, folder = made()
    assert ran.code == 0
    assert ran.out.splitlines() == [str(folder / file) for file in ("task.toml", "README.md", "my data.csv")]
    assert "was copied" in ran.err
    task = load_task(folder)
    assert [(s.name, s.unit, s.column) for s in task.states] == [
        ("Mevalonate", "mM", "Mevalonate (mM)"),
        ("Acetyl-CoA", "?", ""),
        ("Limonene", "g/L", "Limonene [g/L]"),
    ]
    assert [c.name for c in task.controls] == ["AtoB", "limonene synthase"]
    assert [(fold.name, fold.held_out) for fold in task.folds] == [("base", ("base",)), ("high", ("high",))]
    assert (task.horizon, task.final_product) == (30.0, "Limonene")
    assert set(read_series(task, locate(task, download=False))) == {"base", "high"}


def test_what_was_not_sure_is_left_open_with_its_reason(made):
    _, folder = made()
    lines = (folder / "task.toml").read_text().splitlines()

    def line(name: str) -> str:
        return next(line for line in lines if f'"{name}"' in line)

    assert line("X1").startswith("  # ? ")
    assert "a protein, by its size alone" in line("X1")
    assert "a metabolite, by its size alone" in line("X2")
    assert "a measure of growth" in line("OD600")
    assert "holds text" in line("remark")
    assert "named like a metabolite, but not measured at 0 h in strain 'base'" in line("pyruvate")
    assert line("AtoB").startswith("  {")
    assert "named like a protein; ? unit" in line("AtoB")
    assert 'time_column = "Time (h)"  # by its name' in lines


def test_taking_the_mark_away_takes_the_column_in(made):
    _, folder = made()
    path = folder / "task.toml"
    path.write_text(path.read_text().replace('  # ? { name = "X2"', '  { name = "X2"'))
    assert "X2" in [state.name for state in load_task(folder).states]


def test_the_data_card_names_strains_and_columns(made):
    _, folder = made()
    card = (folder / "README.md").read_text()
    assert "2 strains over 30 h, from `my data.csv`" in card
    assert "States: Mevalonate, Acetyl-CoA, Limonene." in card
    assert "Controls: AtoB, limonene synthase." in card


def test_the_task_runs_with_every_baseline(made, cli, tmp_path):
    _, folder = made()
    ran = cli("run", "--tasks-dir", folder, "--task", "mine", "--model", "persistence", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "mean-strain" in ran.out


def test_columns_known_by_size_alone_are_taken_where_there_are_no_others(made):
    ran, folder = made("strain,t,a1,b1\nx,0,1,5000\nx,1,2,6000\ny,0,3,7000\ny,1,4,8000\n")
    assert ran.code == 0
    task = load_task(folder)
    assert ([s.name for s in task.states], [c.name for c in task.controls]) == (["a1"], ["b1"])
    assert "# ? a metabolite, by its size alone" in (folder / "task.toml").read_text()


def test_strain_and_time_without_a_name_are_found_and_marked(made):
    ran, folder = made("who,when,Mevalonate,AtoB\nx,0,1,5000\nx,1,2,6000\ny,0,3,7000\ny,1,4,8000\n")
    assert ran.code == 0
    source = tomllib.loads((folder / "task.toml").read_text())["source"]
    assert (source["strain_column"], source["time_column"]) == ("who", "when")
    text = (folder / "task.toml").read_text()
    assert "# ? text with 2 different values" in text
    assert "# ? a number that rises within each strain" in text


def test_a_time_that_is_not_in_hours_or_begins_late_is_marked(made):
    _, folder = made("strain,time (min),Mevalonate,AtoB\nx,5,1,5000\nx,9,2,6000\ny,5,3,7000\ny,9,4,8000\n")
    text = (folder / "task.toml").read_text()
    assert "? not hours, by its name" in text
    assert "? nothing at 0 h" in text


def test_names_that_need_quoting_survive(made):
    header = 'strain,t,"5-""deoxy"" ate","AtoB, purified protein"\n'
    _, folder = made(header + 'a\\b,0,1,5000\na\\b,1,2,6000\n"c ""d""",0,3,7000\n"c ""d""",1,4,8000\n')
    task = load_task(folder)
    assert task.states[0].name == '5-"deoxy" ate'
    assert [fold.held_out for fold in task.folds] == [("a\\b",), ('c "d"',)]
    assert [fold.name for fold in task.folds] == ["a_b", "c__d_"]  # names of folders


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 columns"),
        ("strain;t;a;b\nx;0;1;2\n", "comma-separated"),
        ("strain,t,a,a\nx,0,1,2\n", "a name of its own"),
        ("strain,t,Mevalonate,AtoB\nx,0,1\n", "line 2 has 3 fields"),
        ("strain,t,Mevalonate,AtoB\nx,0,1,2\nx,1,1,2\n", "at least two strains"),
        ("strain,t,Mevalonate,AtoB\nx,0,1,2\nx,0,1,2\ny,0,1,2\n", "no column holds a time"),
        ("strain,t,Mevalonate,glucose\nx,0,1,2\nx,1,1,2\ny,0,1,2\n", "no column looks like a control"),
        ("strain,t,AtoB,HMGR\nx,0,1,2\nx,1,1,2\ny,0,1,2\n", "no column looks like a state"),
    ],
)
def test_a_file_that_is_no_task_is_refused_in_one_line(made, text, said):
    ran, folder = made(text)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not folder.exists()


def test_nothing_is_left_of_a_task_that_does_not_load(made):
    ran, folder = made("strain,t,Mevalonate,AtoB\nx,-2,1,2\nx,-1,1,2\ny,-2,1,2\n")
    assert ran.code == 2
    assert "horizon must be a positive number" in ran.err
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize(("name", "said"), [("My Task", "lower-case"), ("limonene", "there is a task of that name")])
def test_a_bad_or_taken_name_is_refused(made, name, said):
    ran, folder = made(name=name)
    assert ran.code == 2
    assert said in ran.err
    assert not folder.exists()


def test_an_existing_folder_and_a_missing_file_are_refused(made, cli, tmp_path):
    made()
    ran, _ = made()
    assert "exists already" in ran.err
    ran = cli("new-task", "other", "--csv", tmp_path / "no.csv", "--dir", tmp_path)
    assert ran.code == 2
    assert "cannot be read" in ran.err


def test_the_measured_files_are_guessed_right(cli, measured_data, tmp_path):
    from omicsbench.tasks import find_tasks

    for name, known in find_tasks().items():
        if known.source is None:
            continue
        shutil.copy(measured_data / known.source.file, tmp_path)
        ran = cli("new-task", f"my-{name}", "--csv", tmp_path / known.source.file, "--dir", tmp_path)
        assert ran.code == 0, ran.err
        task = load_task(tmp_path / f"my-{name}")
        assert {state.name for state in known.states} <= {state.name for state in task.states}
        assert {control.name for control in known.controls} <= {control.name for control in task.controls}
        assert task.final_product == known.final_product
        assert [fold.held_out for fold in task.folds] == [fold.held_out for fold in known.folds]

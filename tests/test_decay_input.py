"""What `planner decay` is given: refused at once, with the option, what was found, what goes."""

import pytest

import planner
from planner import decay_plans
from planner.cli import main
from planner.errors import InputError


@pytest.fixture
def nothing_calculated(monkeypatch):
    """Any work on the truth, which comes first, fails the test."""

    def work(*_arguments, **_options):
        raise AssertionError("work was done before the input was refused")

    monkeypatch.setattr(decay_plans, "_truth", work)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rho", "1.2"], "--rho 1.2; accepted with 4 days: above -0.333 and below 1"),
        (["--rho", "-0.34"], "accepted with 4 days: above -0.333 and below 1"),
        (["--rho", "-0.3", "--optimize"], "accepted with 5 days: above -0.25 and below 1"),
        (["--rho", "-0.3", "--optimize", "--sessions", "6"], "with 6 days: above -0.2"),
        (["--rho", "-0.6", "--optimize", "--days", "0,7,14"], "with 3 days: above -0.5"),
        (["--optimize", "--days", "0,0,3"], "--days 0,0,3: day 0 stands there twice"),
        (["--optimize", "--days", "14,7,0"], "--days 14,7,0: 7 after 14; accepted: ascending"),
        (["--optimize", "--days", "0"], "--days 0: the last day is 0"),
        (["--optimize", "--days", "0,2000"], "--days 0,2000; accepted: 0 to 1000"),
        (["--optimize", "--days", "7"], "half-life: 2 or more"),
        (["--optimize", "--sessions", "9"], "accepted for half-life: 2 to 8"),
        (["--optimize", "--question", "residual", "--dropout", "0.2"], "seen on one day"),
        (["--drop-out", "0.2"], "--dropout"),
        (["--cohorts"], "--layout cohorts"),
    ],
)
def test_refused_before_anything_is_calculated(capsys, nothing_calculated, arguments, said):
    code = main(["decay", *arguments])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert said in captured.err
    assert len(captured.err.strip().splitlines()) <= 2


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"question": 5}, "--question 5"), ({"question": ("decay", 3)}, "--question 3"),
        ({"target": "x"}, "--target 'x'"), ({"target": (0.8, None)}, "--target None"),
        ({"reading": 5}, "--reading 5"), ({"shrink": "a"}, "--shrink 'a'"),
        ({"rho": "a"}, "--rho 'a'"), ({"rho": None}, "--rho None"), ({"rho": True}, "--rho True"),
        ({"dropout": float("nan")}, "--dropout nan"), ({"sessions": 2.5}, "--sessions 2.5"),
        ({"seed": 1.5}, "--seed 1.5"), ({"allocation": 3}, "--allocation 3"),
        ({"allocation": (1,)}, "--allocation (1,)"), ({"jobs": "a"}, "--jobs 'a'"),
    ],
)  # fmt: skip
def test_python_gets_the_commands_errors(nothing_calculated, wrong, option):
    with pytest.raises(InputError) as error:
        planner.decay(**wrong)
    assert str(error.value).startswith(f"{option}; accepted: ")


@pytest.mark.parametrize("wrong", [{"sides": 3}, {"covariance": 3}, {"layout": None}])
def test_names_that_are_no_text_are_unknown(nothing_calculated, wrong):
    with pytest.raises(InputError, match="names that exist"):
        planner.decay(**wrong)


@pytest.mark.parametrize(
    "options", [{"rho": -0.3, "times": (0, 7, 14, 24)}, {"times": tuple(range(0, 24, 2))}]
)
def test_what_is_accepted_is_planned(options):
    # no table has more days than the design: as many may be all that rho, or the most days, allow
    result = planner.decay(delta0=3.0, half_life=9.0, question="decay", contrast="linear",
                           reps=100, **options)  # fmt: skip
    by_day = {row["day"]: row["n"] for row in result.extra["by_day"]}
    assert by_day[56] is not None
    need = next(row["n"] for row in result.required_rows if row["target"] == 0.8
                and row["shrink"] == 0.0)  # fmt: skip
    assert by_day[options["times"][-1]] == need


def test_fewer_sessions_allow_a_lower_rho():
    result = planner.decay(delta0=4.0, half_life=9.0, question="decay", optimize=True, rho=-0.4,
                           sessions=3, days="0,3,7", reps=100)  # fmt: skip
    assert result.extra["sets"] == 4
    assert result.scenario["times"] == "0,7,14,24"  # the option, which the search does not use

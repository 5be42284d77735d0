"""What the command line says of its own options."""

from typing import Any

import pytest
import typer

from monitor.cli.main import app

COMMANDS = typer.main.get_group(app).commands


def help_of(command, name):
    parameters: list[Any] = COMMANDS[command].params
    return next(one.help for one in parameters if one.name == name)


@pytest.mark.parametrize("command", ["savings", "report"])
def test_where_the_language_comes_from_is_told(command):
    assert help_of(command, "language") != help_of("kpi", "language")


@pytest.mark.parametrize("command", ["savings", "report", "kpi", "targets"])
def test_every_way_to_write_a_period_is_told(command):
    assert "2017-07-01/2017-10-31" in help_of(command, "period")

"""Wrong use of the command line and the fixed words of ``--help``, in the reader's language."""

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from config.words import preferred_language, say

LANGUAGE = preferred_language()

# The library's own error of wrong use has no public name; all its kinds descend from it.
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]


class Command(TyperCommand):
    """A command whose help is in the reader's language."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the line that shows how it is used."""
        _write_usage(self, ctx, formatter)

    def get_help_option(self, ctx: Any) -> Any:
        """The option ``--help``."""
        return _worded(super().get_help_option(ctx))


class Group(TyperGroup):
    """All commands; an unknown one is told with the nearest that there is."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the line that shows how it is used."""
        _write_usage(self, ctx, formatter)

    def get_help_option(self, ctx: Any) -> Any:
        """The option ``--help``."""
        return _worded(super().get_help_option(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from config.problems import did_you_mean, hinted, shown

            hint = did_you_mean(args[0], self.list_commands(ctx))
            words = say("cli.no_such_command", LANGUAGE, name=shown(args[0]))
            raise typer.BadParameter(hinted(words, hint, LANGUAGE), ctx=ctx)
        return super().resolve_command(ctx, args)


def usage_words(error: Any) -> str:
    """What was wrong with how the program was called, and where to look; empty when the help was shown."""
    kind, context = type(error).__name__, getattr(error, "ctx", None)
    if kind == "NoArgsIsHelpError":
        return str(error.message)
    param, option = getattr(error, "param", None), getattr(error, "option_name", None)
    if kind == "MissingParameter":
        text = say("cli.missing_parameter", LANGUAGE, name=_name(param))
    elif kind == "NoSuchOption":
        text = say("cli.no_such_option", LANGUAGE, name=option)
    elif option is not None:
        text = say("cli.bad_option_use", LANGUAGE, name=option)
    elif param is not None:
        text = say("cli.bad_value", LANGUAGE, name=_name(param))
    elif isinstance(error, typer.BadParameter):
        text = error.message  # our own words
    else:
        text = say("cli.too_many_words", LANGUAGE)
    command = context.command_path if context is not None else "energy-monitor"
    return text + "\n" + say("cli.see_help", LANGUAGE, command=command)


def translate_help() -> None:
    """The library's own headings and marks."""
    import typer.rich_utils as panels

    panels.OPTIONS_PANEL_TITLE = say("cli.panel_options", LANGUAGE)
    panels.ARGUMENTS_PANEL_TITLE = say("cli.panel_arguments", LANGUAGE)
    panels.COMMANDS_PANEL_TITLE = say("cli.panel_commands", LANGUAGE)
    panels.REQUIRED_LONG_STRING = say("cli.mark_required", LANGUAGE)
    panels.DEFAULT_STRING = say("cli.mark_default", LANGUAGE, value="{}")
    panels.ENVVAR_STRING = say("cli.mark_variable", LANGUAGE, value="{}")


def _write_usage(command: Any, ctx: Any, formatter: Any) -> None:
    pieces = " ".join(command.collect_usage_pieces(ctx))
    formatter.write_usage(ctx.command_path, pieces, prefix=say("cli.usage", LANGUAGE))


def _worded(option: Any) -> Any:
    if option is not None:
        option.help = say("cli.opt_help", LANGUAGE)
    return option


def _name(param: Any) -> str:
    if param is None:
        return "?"
    if param.param_type_name == "option":
        return str(param.opts[0])
    return str(param.metavar or param.name)

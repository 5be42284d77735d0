"""Tables of curtailment: events, writes to equipment for them, baselines, settlements, the limiter."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, SmallInteger, String, Table, Text

from monitor.store.schema import RowId, metadata

__all__ = [
    "baselines",
    "curtailment_events",
    "event_actions",
    "event_steps",
    "event_writes",
    "limiter_records",
    "limiter_standing",
    "metadata",
    "openadr_events",
    "settlements",
]

curtailment_events = Table(
    "curtailment_events",
    metadata,
    Column("site", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("plan", String, nullable=False),
    # JSON of rules.curtailment.Plan as it was then: whatever becomes of the site file, this is handed back.
    Column("plan_data", Text, nullable=False),
    Column("mode", String, nullable=False),
    Column("life", String, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("noticed_ms", BigInteger, nullable=False),  # when we were told of it
    Column("ended_ms", BigInteger),  # when its end was acted upon, whichever it was
    Column("wanted_kw", Double),  # NULL = all of the plan
    Column("programme", String, nullable=False, server_default=""),
    Column("bid", Double),  # NULL = nobody bid
    Column("source", String, nullable=False),  # command, http, csv, openadr
    Column("who", String, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("signal", SmallInteger, nullable=False, server_default="1"),  # 1 active, 0 inactive
    Column("signal_ms", BigInteger, nullable=False, server_default="0"),
    Column("signal_ttl_s", Double),  # NULL = until something else is said
    Column("changed_ms", BigInteger, nullable=False),
    Index("curtailment_events_start", "site", "start_ms"),
)

# What became of each action of an event so far. What stood before is here before the first write goes out.
event_actions = Table(
    "event_actions",
    metadata,
    Column("site", String, primary_key=True),
    Column("event", String, primary_key=True),
    Column("action", String, primary_key=True),
    Column("previous", Double),
    Column("stood", Double),
    Column("is_shed", SmallInteger, nullable=False),
    Column("standing", Double),
    Column("shed_ms", BigInteger),
    Column("back_ms", BigInteger),
    Column("left_ms", BigInteger),  # when what was found shed as much already, so that nothing is written
    Column("failed", String),
    Column("error", Text),  # JSON {code, data} of the last trouble; the words are made where a person looks
)

# Every write, from before it went out. Rows are added, and their outcome is filled in once.
event_writes = Table(
    "event_writes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("event", String, nullable=False),
    Column("action", String, nullable=False),
    Column("device", String, nullable=False),
    Column("point", String, nullable=False),
    Column("purpose", String, nullable=False),  # shed, release
    Column("asked", Double),
    Column("previous", Double),
    Column("shown", Double),
    # pending, obeyed, already (it stood there), sheds_already (it is left alone), dry_run, unknown (nobody
    # lived to hear), or an error's code
    Column("outcome", String, nullable=False),
    Column("error", Text),
    Column("at_ms", BigInteger, nullable=False),
    Column("sent_ms", BigInteger),
    Column("done_ms", BigInteger),
    Index("event_writes_event", "site", "event"),
    Index("event_writes_point", "site", "device", "point", "at_ms"),
)

# What happened to an event, in order: its life, signals, guards, troubles, and who did it.
event_steps = Table(
    "event_steps",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("event", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("who", String, nullable=False, server_default=""),
    Column("data", Text, nullable=False),  # JSON object
    Index("event_steps_event", "site", "event"),
)

# Events of an OpenADR VTN, and what they were answered last.
openadr_events = Table(
    "openadr_events",
    metadata,
    Column("site", String, primary_key=True),
    Column("vtn_event", String, primary_key=True),
    Column("modification", BigInteger, nullable=False),
    Column("event", String, nullable=False),  # ours; empty where nothing was begun
    Column("is_in", SmallInteger, nullable=False),
    Column("reason", Text),  # JSON {code, data} of why it was opted out of
    Column("at_ms", BigInteger, nullable=False),
)

# What curtailment earned: of an event that was settled here, or of days that a utility settled.
settlements = Table(
    "settlements",
    metadata,
    Column("site", String, primary_key=True),
    Column(
        "id", String, primary_key=True
    ),  # the event's, or programme/first day/last day of what was imported
    Column("programme", String, nullable=False),  # a family or a text, as it was said
    Column("start_day", String, nullable=False),  # first and last day, ISO, local to the site
    Column("end_day", String, nullable=False),
    Column("kwh", Double, nullable=False),
    Column("credit", String, nullable=False),  # decimal, as it is printed
    Column("currency", String, nullable=False),
    Column("source", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON: lines and findings; empty of what was imported
    Column("import_id", Integer),  # NULL of what was settled here
    Column("at_ms", BigInteger, nullable=False),
    Index("settlements_of", "site", "start_day"),
)

# The baselines that settlements rest on, with the very parameters.
baselines = Table(
    "baselines",
    metadata,
    Column("site", String, primary_key=True),
    Column("settlement", String, primary_key=True),
    Column("preset", String, primary_key=True),
    Column("digest", String, nullable=False),  # SHA-256 of the preset's file
    Column("meters", Text, nullable=False),  # JSON list
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("kw", Double),  # NULL: the method gave no number
    Column("detail", Text, nullable=False),  # JSON: days used and left out, adjustment, findings
    Column("at_ms", BigInteger, nullable=False),
)

# What was said and found of the demand limiter: years it was taken through, who armed and disarmed it.
limiter_records = Table(
    "limiter_records",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("kind", String, nullable=False),  # simulated, armed, disarmed
    Column("digest", String, nullable=False),  # SHA-256 of plan and settings that it holds for
    Column("who", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),  # JSON: the year's figures of what was simulated
    Index("limiter_records_of", "site", "kind"),
)

# How the limiter of a running daemon stands; written anew every few seconds.
limiter_standing = Table(
    "limiter_standing",
    metadata,
    Column("site", String, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("data", Text, nullable=False),  # JSON object
)
